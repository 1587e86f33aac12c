//! Each type of credentials against a fake token service.

mod federated;
mod service;

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::{Value, json};

use super::*;
use service::{TokenService, form};

/// A private key that no service trusts.
const KEY: &str = include_str!("key.pem");

fn temporary_file(content: &Value) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("temporary file");
    file.write_all(content.to_string().as_bytes()).expect("written");
    file
}

fn http() -> reqwest::Client {
    crate::sink::bigquery::client::http_client().expect("a client")
}

async fn identity(credentials: &Value) -> Identity {
    Identity::from_file(Some(temporary_file(credentials).path()), http(), BIGQUERY_SCOPE)
        .await
        .expect("reads")
}

async fn token(identity: &Identity) -> String {
    identity.token().await.expect("a token").expect("not anonymous")
}

fn service_account(service: &TokenService) -> Value {
    json!({
        "type": "service_account",
        "client_email": "consumer@p.iam.gserviceaccount.com",
        "private_key": KEY,
        "token_uri": service.url("/token"),
    })
}

fn authorized_user(service: &TokenService) -> Value {
    json!({
        "type": "authorized_user",
        "client_id": "the client",
        "client_secret": "the secret",
        "refresh_token": "1//refresh",
        "token_uri": service.url("/token"),
    })
}

/// What `check` shows of an identity.
#[tokio::test]
async fn an_identity_says_whose_it_is_and_no_secret() {
    let service = TokenService::start(3600).await;
    let key = identity(&service_account(&service)).await.described().await;
    assert_eq!(key, "the key of consumer@p.iam.gserviceaccount.com");
    let user = identity(&authorized_user(&service)).await.described().await;
    assert_eq!(user, "a user's refresh token");
    assert!(service.requests().is_empty(), "nobody is asked");
    let machine = || {
        let source = metadata_server(&service.url(""));
        Identity::token_service(source, http(), BIGQUERY_SCOPE)
    };
    service.respond(200, json!("consumer@p.iam.gserviceaccount.com"));
    let described = machine().described().await;
    assert_eq!(described, "consumer@p.iam.gserviceaccount.com, by the metadata server");
    // Something that answers as no metadata server does, and may say anything.
    service.respond(200, json!("<html>token@"));
    assert_eq!(machine().described().await, "the account of the metadata server");
    let [first, _] = &service.requests()[..] else { panic!("not two requests") };
    assert!(first.path.ends_with("/service-accounts/default/email"), "{}", first.path);
    assert_eq!(first.flavor, "Google");
}

#[tokio::test]
async fn a_service_account_signs_a_jwt_and_caches_the_token() {
    let service = TokenService::start(3600).await;
    let identity = identity(&service_account(&service)).await;
    #[expect(clippy::disallowed_methods, reason = "yup-oauth2 reads the clock itself")]
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs() as i64;
    assert_eq!(token(&identity).await, "token-1");
    assert_eq!(token(&identity).await, "token-1", "the token is cached");

    let [request] = &service.requests()[..] else { panic!("not one request") };
    assert_eq!(request.path, "/token");
    let form = form(&request.body);
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let parts: Vec<&str> = form["assertion"].split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("a JWT has three parts") };
    let decode = |part: &str| URL_SAFE.decode(part).expect("base64");
    let read = |part| serde_json::from_slice::<Value>(&decode(part)).expect("JSON");
    assert_eq!(read(header)["alg"], "RS256");
    assert_eq!(decode(signature).len(), 256, "the key has 2,048 bits");
    let claims = read(claims);
    assert_eq!(claims["iss"], "consumer@p.iam.gserviceaccount.com");
    assert_eq!(claims["aud"], service.url("/token"));
    assert_eq!(claims["scope"], "https://www.googleapis.com/auth/bigquery");
    let (issued, ends) = (claims["iat"].as_i64().expect("iat"), claims["exp"].as_i64());
    assert!((now..now + 60).contains(&issued), "{issued}");
    assert!((issued + 3000..=issued + 3600).contains(&ends.expect("exp")), "{ends:?}");
}

#[tokio::test]
async fn a_user_sends_the_refresh_token_and_caches_the_token() {
    let service = TokenService::start(3600).await;
    let identity = identity(&authorized_user(&service)).await;
    assert_eq!(token(&identity).await, "token-1");
    assert_eq!(token(&identity).await, "token-1", "the token is cached");
    let [request] = &service.requests()[..] else { panic!("not one request") };
    let form = form(&request.body);
    assert_eq!(form["grant_type"], "refresh_token");
    assert_eq!(form["refresh_token"], "1//refresh");
    assert_eq!((&*form["client_id"], &*form["client_secret"]), ("the client", "the secret"));
}

#[tokio::test]
async fn without_a_metadata_server_the_error_says_what_to_set() {
    // A port that nothing listens on: it was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let base = format!("http://{}", free.local_addr().expect("bound"));
    drop(free);
    let identity = Identity::token_service(metadata_server(&base), http(), BIGQUERY_SCOPE);
    let error = identity.token().await.expect_err("no server");
    assert!(error.is_transient(), "a metadata server may start late");
    let hint = error.hint().expect("a hint");
    assert!(hint.contains("GOOGLE_APPLICATION_CREDENTIALS"), "{hint}");

    let service = TokenService::start(3600).await;
    let identity =
        Identity::token_service(metadata_server(&service.url("")), http(), BIGQUERY_SCOPE);
    service.respond(503, json!({}));
    assert_eq!(identity.token().await.expect_err("an outage").hint(), None);
}

#[tokio::test]
async fn a_token_that_expires_soon_is_renewed() {
    // yup-oauth2 renews a token one minute before it expires, we five.
    type Credentials = fn(&TokenService) -> Value;
    let kinds: [(Credentials, u64); 2] = [(service_account, 30), (authorized_user, 200)];
    for (credentials, expires_in) in kinds {
        let service = TokenService::start(expires_in).await;
        let identity = identity(&credentials(&service)).await;
        assert_eq!([token(&identity).await, token(&identity).await], ["token-1", "token-2"]);
    }
}

#[tokio::test]
async fn a_refusal_is_reported_and_an_outage_is_transient() {
    let refusal = json!({ "error": "invalid_grant", "error_description": "Account not found" });
    let html = json!("<html>Bad gateway</html>");
    for credentials in [service_account, authorized_user] {
        let service = TokenService::start(3600).await;
        let identity = identity(&credentials(&service)).await;
        service.respond(400, refusal.clone());
        let error = identity.token().await.expect_err("refused");
        assert!(!error.is_transient(), "{error:?}");
        for text in ["token", "invalid_grant", "Account not found"] {
            assert!(error.to_string().contains(text), "{text}: {error}");
        }
        service.respond(503, json!({ "error": "temporarily_unavailable" }));
        assert!(identity.token().await.expect_err("an outage").is_transient());
        service.respond(502, html.clone());
        assert!(identity.token().await.expect_err("an outage").is_transient());
        assert_eq!(token(&identity).await, "token-4", "the next request succeeds");
    }
}

#[tokio::test]
async fn a_refused_connection_is_transient() {
    let service = TokenService::start(3600).await;
    let credentials = [service_account(&service), authorized_user(&service)];
    service.stop().await;
    for credentials in credentials {
        let error = identity(&credentials).await.token().await.expect_err("nobody listens");
        assert!(error.is_transient(), "{error:?}");
    }
}

#[tokio::test]
async fn the_metadata_servers_token_is_cached() {
    for (expires_in, times) in [(3600, 1), (200, 2)] {
        let service = TokenService::start(expires_in).await;
        let identity =
            Identity::token_service(metadata_server(&service.url("")), http(), BIGQUERY_SCOPE);
        token(&identity).await;
        token(&identity).await;
        assert_eq!(service.requests().len(), times, "valid for {expires_in} s");
        assert_eq!(service.requests()[0].flavor, "Google");
    }
}

#[tokio::test]
async fn an_unusable_credentials_file_is_refused_with_a_hint() {
    let no_key = json!({
        "type": "service_account", "client_email": "e", "private_key": "not PEM", "token_uri": "u",
    });
    let contents = [json!({ "type": "gdch_service_account" }), json!({}), json!("text"), no_key];
    for content in contents {
        let credentials = temporary_file(&content);
        let Err(error) =
            Identity::from_file(Some(credentials.path()), http(), BIGQUERY_SCOPE).await
        else {
            panic!("accepted {content}");
        };
        assert!(error.hint.contains("external_account"), "{}", error.hint);
        assert!(error.what.contains(&credentials.path().display().to_string()));
    }
}

/// Whoever can read a token's way can use the token, so every kind refuses an open way, wherever in
/// the file its address stands.
#[tokio::test]
async fn a_token_service_without_tls_is_refused_when_the_file_is_read() {
    let service = TokenService::start(3600).await;
    let account = json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/x",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": service.url("/token"),
        "service_account_impersonation_url": service.url("/impersonate"),
        "credential_source": { "file": "/token" },
    });
    let places = [
        (service_account(&service), "token_uri"),
        (authorized_user(&service), "token_uri"),
        (account.clone(), "token_url"),
        (account, "service_account_impersonation_url"),
    ];
    for (mut credentials, field) in places {
        for url in
            ["http://sts.googleapis.com/v1/token", "http://127.0.0.1.example.com/", "sts", ""]
        {
            credentials[field] = json!(url);
            let file = temporary_file(&credentials);
            let read = Identity::from_file(Some(file.path()), http(), BIGQUERY_SCOPE).await;
            let Err(error) = read else { panic!("{field} {url:?} is accepted") };
            let cause = error.source.expect("a cause").to_string();
            assert!(cause.contains("https://"), "{field} {url:?}: {cause}");
        }
    }
}

/// A redirect would send the secrets on to whoever the answer names.
#[tokio::test]
async fn no_redirect_is_followed() {
    let service = TokenService::start(3600).await;
    let elsewhere = TokenService::start(3600).await;
    for status in [301, 302, 303, 307, 308] {
        service.respond(status, json!(elsewhere.url("/token")));
        let error = identity(&authorized_user(&service)).await.token().await.expect_err("refused");
        assert!(error.to_string().contains(&status.to_string()), "{error}");
        let metadata =
            Identity::token_service(metadata_server(&service.url("")), http(), BIGQUERY_SCOPE);
        service.respond(status, json!(elsewhere.url("/token")));
        metadata.token().await.expect_err("refused");
    }
    assert!(elsewhere.requests().is_empty());
}
