//! `external_account`: the projected token of a Kubernetes service account is exchanged for a
//! Google token.

use super::*;

const AUDIENCE: &str =
    "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/eks";
const IMPERSONATE: &str = "/v1/projects/-/serviceAccounts/sa@p.iam:generateAccessToken";

/// Returns credentials with this `credential_source`.
fn external_account(service: &TokenService, source: &Value) -> Value {
    json!({
        "type": "external_account",
        "audience": AUDIENCE,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": service.url("/token"),
        "credential_source": source,
    })
}

/// Returns credentials that impersonate a service account, with a token lifetime in seconds.
fn impersonating(service: &TokenService, source: &Value, seconds: Option<u64>) -> Value {
    let mut credentials = external_account(service, source);
    credentials["service_account_impersonation_url"] = service.url(IMPERSONATE).into();
    if let Some(seconds) = seconds {
        credentials["service_account_impersonation"] = json!({ "token_lifetime_seconds": seconds });
    }
    credentials
}

/// Returns a file with a projected token, and a `credential_source` that names it.
fn projected_token() -> (tempfile::NamedTempFile, Value) {
    let mut file = tempfile::NamedTempFile::new().expect("temporary file");
    file.write_all(b"projected.token\n").expect("written");
    let source = json!({ "file": file.path() });
    (file, source)
}

#[tokio::test]
async fn the_projected_token_is_exchanged_and_the_result_cached() {
    let service = TokenService::start(3600).await;
    let (_file, source) = projected_token();
    let identity = identity(&external_account(&service, &source)).await;
    assert_eq!(token(&identity).await, "token-1");
    assert_eq!(token(&identity).await, "token-1", "the token is cached");
    let [request] = &service.requests()[..] else { panic!("not one request") };
    let form = form(&request.body);
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:token-exchange");
    assert_eq!(form["audience"], AUDIENCE);
    assert_eq!(form["subject_token"], "projected.token");
    assert_eq!(form["subject_token_type"], "urn:ietf:params:oauth:token-type:jwt");
    assert_eq!(form["scope"], "https://www.googleapis.com/auth/bigquery");
}

#[tokio::test]
async fn the_projected_token_is_read_again_for_every_exchange() {
    let service = TokenService::start(30).await;
    let (file, source) = projected_token();
    let identity = identity(&external_account(&service, &source)).await;
    token(&identity).await;
    std::fs::write(file.path(), "the next").expect("written");
    token(&identity).await;
    let subjects =
        service.requests().into_iter().map(|request| form(&request.body)["subject_token"].clone());
    assert_eq!(subjects.collect::<Vec<_>>(), ["projected.token", "the next"]);
}

#[tokio::test]
async fn a_service_account_is_impersonated_with_the_federated_token() {
    // A lifetime below the expiry margin is never cached, although the federated token's is longer.
    for (seconds, lifetime, expected) in [(None, "3600s", 2), (Some(250), "250s", 4)] {
        let service = TokenService::start(3600).await;
        let (_file, source) = projected_token();
        let identity = identity(&impersonating(&service, &source, seconds)).await;
        for _ in 0..2 {
            if service.requests().len() < expected {
                let federated = json!({ "access_token": "federated", "expires_in": 3600 });
                service.respond(200, federated);
                service.respond(200, json!({ "accessToken": "impersonated", "expireTime": "" }));
            }
            assert_eq!(token(&identity).await, "impersonated");
        }
        let requests = service.requests();
        assert_eq!(requests.len(), expected, "valid for {lifetime}");
        let scope = &form(&requests[0].body)["scope"];
        assert_eq!(scope, "https://www.googleapis.com/auth/cloud-platform");
        assert_eq!(
            (&*requests[1].path, &*requests[1].authorization),
            (IMPERSONATE, "Bearer federated")
        );
        let body: Value = serde_json::from_str(&requests[1].body).expect("JSON");
        let scopes = ["https://www.googleapis.com/auth/bigquery"];
        assert_eq!(body, json!({ "scope": scopes, "lifetime": lifetime }));
    }
}

#[tokio::test]
async fn a_refused_impersonation_is_reported() {
    let service = TokenService::start(3600).await;
    let (_file, source) = projected_token();
    let identity = identity(&impersonating(&service, &source, None)).await;
    service.respond(200, json!({ "access_token": "federated", "expires_in": 3600 }));
    let message = "Permission 'iam.serviceAccounts.getAccessToken' denied";
    service.respond(
        403,
        json!({ "error": { "code": 403, "status": "PERMISSION_DENIED", "message": message } }),
    );
    let error = identity.token().await.expect_err("refused");
    assert!(!error.is_transient());
    for text in ["service account", "403", "PERMISSION_DENIED", message] {
        assert!(error.to_string().contains(text), "{text}: {error}");
    }
}

#[tokio::test]
async fn the_subject_token_may_be_in_a_json_field_or_behind_a_url() {
    let service = TokenService::start(3600).await;
    let format = json!({ "type": "json", "subject_token_field_name": "jwt" });
    let file = temporary_file(&json!({ "jwt": "from the file" }));
    let source = json!({ "file": file.path(), "format": format });
    token(&identity(&external_account(&service, &source)).await).await;

    let headers = json!({ "authorization": "local" });
    let source = json!({ "url": service.url("/subject"), "headers": headers, "format": format });
    service.respond(200, json!({ "jwt": "from the url" }));
    token(&identity(&external_account(&service, &source)).await).await;

    let requests = service.requests();
    assert_eq!(form(&requests[0].body)["subject_token"], "from the file");
    assert_eq!((&*requests[1].path, &*requests[1].authorization), ("/subject", "local"));
    assert_eq!(form(&requests[2].body)["subject_token"], "from the url");
}

#[tokio::test]
async fn a_missing_subject_token_is_reported() {
    let service = TokenService::start(3600).await;
    let source = json!({ "file": "/nowhere/token" });
    let error = identity(&external_account(&service, &source)).await.token().await;
    let error = error.expect_err("no file");
    assert!(error.to_string().contains("/nowhere/token"), "{error}");
    let file = temporary_file(&json!({ "other": 1 }));
    let format = json!({ "type": "json", "subject_token_field_name": "jwt" });
    let source = json!({ "file": file.path(), "format": format });
    let error = identity(&external_account(&service, &source)).await.token().await;
    let error = error.expect_err("no such field");
    assert!(error.to_string().contains("\"jwt\""), "{error}");
    assert!(service.requests().is_empty());
}

#[tokio::test]
async fn unsupported_credential_sources_are_refused_when_the_file_is_read() {
    let service = TokenService::start(3600).await;
    for source in [
        json!({ "executable": { "command": "/bin/true" } }),
        json!({ "environment_id": "aws1", "url": "http://169.254.169.254/" }),
    ] {
        let credentials = temporary_file(&external_account(&service, &source));
        let Err(error) =
            Identity::from_file(Some(credentials.path()), http(), BIGQUERY_SCOPE).await
        else {
            panic!("accepted {source}");
        };
        let cause = error.source.expect("a cause").to_string();
        assert!(cause.contains("must name either a file or a url"), "{cause}");
    }
}
