//! `external_account`: the projected token of a Kubernetes service account for Google's.

use super::*;

const AUDIENCE: &str =
    "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/eks";
const IMPERSONATE: &str = "/v1/projects/-/serviceAccounts/sa@p.iam:generateAccessToken";

/// Credentials with this source of the token to exchange.
fn external_account(service: &TokenService, source: &Value) -> Value {
    json!({
        "type": "external_account",
        "audience": AUDIENCE,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": service.url("/token"),
        "credential_source": source,
    })
}

/// The same, to become a service account for so many seconds.
fn impersonating(service: &TokenService, source: &Value, seconds: Option<u64>) -> Value {
    let mut credentials = external_account(service, source);
    credentials["service_account_impersonation_url"] = service.url(IMPERSONATE).into();
    if let Some(seconds) = seconds {
        credentials["service_account_impersonation"] = json!({ "token_lifetime_seconds": seconds });
    }
    credentials
}

fn projected() -> (tempfile::NamedTempFile, Value) {
    let mut file = tempfile::NamedTempFile::new().expect("temporary file");
    file.write_all(b"projected.token\n").expect("written");
    let source = json!({ "file": file.path() });
    (file, source)
}

#[tokio::test]
async fn the_projected_token_is_exchanged() {
    let service = TokenService::start(3600).await;
    let (_file, source) = projected();
    let identity = identity(&external_account(&service, &source)).await;
    assert_eq!(token(&identity).await, "token-1");
    assert_eq!(token(&identity).await, "token-1", "a good token is kept");
    let [asked] = &service.asked()[..] else { panic!("asked once") };
    let form = form(&asked.body);
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:token-exchange");
    assert_eq!(form["audience"], AUDIENCE);
    assert_eq!(form["subject_token"], "projected.token");
    assert_eq!(form["subject_token_type"], "urn:ietf:params:oauth:token-type:jwt");
    assert_eq!(form["scope"], "https://www.googleapis.com/auth/bigquery");
}

#[tokio::test]
async fn a_projected_token_is_read_anew() {
    let service = TokenService::start(30).await;
    let (file, source) = projected();
    let identity = identity(&external_account(&service, &source)).await;
    token(&identity).await;
    std::fs::write(file.path(), "the next").expect("written");
    token(&identity).await;
    let subjects =
        service.asked().into_iter().map(|asked| form(&asked.body)["subject_token"].clone());
    assert_eq!(subjects.collect::<Vec<_>>(), ["projected.token", "the next"]);
}

#[tokio::test]
async fn a_service_account_is_impersonated_with_the_federated_token() {
    for (seconds, lifetime, requests) in [(None, "3600s", 2), (Some(250), "250s", 4)] {
        let service = TokenService::start(3600).await;
        let (_file, source) = projected();
        let identity = identity(&impersonating(&service, &source, seconds)).await;
        for _ in 0..2 {
            if service.asked().len() < requests {
                let federated = json!({ "access_token": "federated", "expires_in": 3600 });
                service.next(200, federated);
                service.next(200, json!({ "accessToken": "impersonated", "expireTime": "" }));
            }
            assert_eq!(token(&identity).await, "impersonated");
        }
        // A lifetime below the margin is never kept: that of the impersonated token counts.
        let asked = service.asked();
        assert_eq!(asked.len(), requests, "good for {lifetime}");
        let scope = &form(&asked[0].body)["scope"];
        assert_eq!(scope, "https://www.googleapis.com/auth/cloud-platform");
        assert_eq!((&*asked[1].path, &*asked[1].authorization), (IMPERSONATE, "Bearer federated"));
        let body: Value = serde_json::from_str(&asked[1].body).expect("JSON");
        let scopes = ["https://www.googleapis.com/auth/bigquery"];
        assert_eq!(body, json!({ "scope": scopes, "lifetime": lifetime }));
    }
}

#[tokio::test]
async fn a_refused_impersonation_is_told() {
    let service = TokenService::start(3600).await;
    let (_file, source) = projected();
    let identity = identity(&impersonating(&service, &source, None)).await;
    service.next(200, json!({ "access_token": "federated", "expires_in": 3600 }));
    let message = "Permission 'iam.serviceAccounts.getAccessToken' denied";
    service.next(
        403,
        json!({ "error": { "code": 403, "status": "PERMISSION_DENIED", "message": message } }),
    );
    let error = identity.token().await.expect_err("refused");
    assert!(!error.passing);
    for words in ["service account", "403", "PERMISSION_DENIED", message] {
        assert!(error.message.contains(words), "{words}: {}", error.message);
    }
}

#[tokio::test]
async fn the_token_to_exchange_may_stand_in_json_or_behind_a_url() {
    let service = TokenService::start(3600).await;
    let format = json!({ "type": "json", "subject_token_field_name": "jwt" });
    let file = file(&json!({ "jwt": "from the file" }));
    let source = json!({ "file": file.path(), "format": format });
    token(&identity(&external_account(&service, &source)).await).await;

    let headers = json!({ "authorization": "local" });
    let source = json!({ "url": service.url("/subject"), "headers": headers, "format": format });
    service.next(200, json!({ "jwt": "from the url" }));
    token(&identity(&external_account(&service, &source)).await).await;

    let asked = service.asked();
    assert_eq!(form(&asked[0].body)["subject_token"], "from the file");
    assert_eq!((&*asked[1].path, &*asked[1].authorization), ("/subject", "local"));
    assert_eq!(form(&asked[2].body)["subject_token"], "from the url");
}

#[tokio::test]
async fn a_missing_token_to_exchange_is_told() {
    let service = TokenService::start(3600).await;
    let source = json!({ "file": "/nowhere/token" });
    let error = identity(&external_account(&service, &source)).await.token().await;
    let error = error.expect_err("no file");
    assert!(error.message.contains("/nowhere/token"), "{}", error.message);
    let file = file(&json!({ "other": 1 }));
    let format = json!({ "type": "json", "subject_token_field_name": "jwt" });
    let source = json!({ "file": file.path(), "format": format });
    let error = identity(&external_account(&service, &source)).await.token().await;
    let error = error.expect_err("no such field");
    assert!(error.message.contains("\"jwt\""), "{}", error.message);
    assert!(service.asked().is_empty());
}

#[tokio::test]
async fn sources_that_are_no_token_are_refused_at_the_start() {
    let service = TokenService::start(3600).await;
    for source in [
        json!({ "executable": { "command": "/bin/true" } }),
        json!({ "environment_id": "aws1", "url": "http://169.254.169.254/" }),
    ] {
        let credentials = file(&external_account(&service, &source));
        let Err(error) = Identity::from_file(Some(credentials.path())).await else {
            panic!("accepted {source}");
        };
        let cause = error.source.expect("a cause").to_string();
        assert!(cause.contains("has to name a file or a url"), "{cause}");
    }
}
