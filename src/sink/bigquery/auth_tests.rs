//! Each kind of credentials against a fake token service on loopback.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde_json::json;

use super::*;

/// Answers every token request; tokens are numbered and good for `expires_in` seconds.
async fn token_service(expires_in: u64) -> (String, Arc<AtomicUsize>) {
    #[derive(Clone)]
    struct Service {
        asked: Arc<AtomicUsize>,
        expires_in: u64,
    }
    async fn answer(State(service): State<Service>) -> impl IntoResponse {
        let number = service.asked.fetch_add(1, Ordering::SeqCst) + 1;
        axum::Json(json!({
            "access_token": format!("token-{number}"),
            "expires_in": service.expires_in,
            "token_type": "Bearer",
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        }))
    }
    let asked = Arc::new(AtomicUsize::new(0));
    let router = Router::new()
        .route("/token", post(answer))
        .route("/computeMetadata/v1/instance/service-accounts/default/token", get(answer))
        .with_state(Service { asked: asked.clone(), expires_in });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let base = format!("http://{}", listener.local_addr().expect("address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (base, asked)
}

fn file(value: &serde_json::Value) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("temporary file");
    file.write_all(value.to_string().as_bytes()).expect("written");
    file
}

#[tokio::test]
async fn external_account_trades_the_projected_token() {
    let (base, asked) = token_service(3600).await;
    let subject = file(&json!("not looked at"));
    let credentials = file(&json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/eks",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{base}/token"),
        "credential_source": { "file": subject.path() },
    }));
    let identity = Identity::from_file(Some(credentials.path())).await.expect("reads");
    let token = identity.token().await.expect("a token");
    assert_eq!(token.as_deref(), Some("token-1"));
    identity.token().await.expect("kept");
    assert_eq!(asked.load(Ordering::SeqCst), 1, "a good token is kept");
}

#[tokio::test]
async fn a_token_about_to_end_is_renewed() {
    // yup-oauth2 renews a minute before the end.
    let (base, asked) = token_service(30).await;
    let subject = file(&json!("not looked at"));
    let credentials = file(&json!({
        "type": "external_account",
        "audience": "a",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{base}/token"),
        "credential_source": { "file": subject.path() },
    }));
    let identity = Identity::from_file(Some(credentials.path())).await.expect("reads");
    assert_eq!(identity.token().await.expect("one").as_deref(), Some("token-1"));
    assert_eq!(identity.token().await.expect("two").as_deref(), Some("token-2"));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn the_metadata_server_is_asked_once_while_its_token_is_good() {
    for (expires_in, times) in [(3600, 1), (200, 2)] {
        let (base, asked) = token_service(expires_in).await;
        let identity = Identity::Metadata(Arc::new(Metadata::at(&base)));
        identity.token().await.expect("one");
        identity.token().await.expect("two");
        assert_eq!(asked.load(Ordering::SeqCst), times, "good for {expires_in} s");
    }
}

#[tokio::test]
async fn what_is_no_credentials_file_is_told_with_a_hint() {
    for content in [json!({ "type": "gdch_service_account" }), json!({}), json!("text")] {
        let credentials = file(&content);
        let Err(error) = Identity::from_file(Some(credentials.path())).await else {
            panic!("accepted {content}");
        };
        assert!(error.hint.contains("external_account"), "{}", error.hint);
        assert!(error.what.contains(&credentials.path().display().to_string()));
    }
}
