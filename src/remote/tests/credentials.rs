//! Whose credentials are sent, and to whom.

use std::io::Write;

use serde_json::json;

use object_store::client::CredentialProvider;

use super::*;
use crate::remote::google::GoogleCredentials;
use crate::sink::bigquery::{Identity, STORAGE_SCOPE};

const S3: &str = "s3://a-bucket/x.env";
const OBJECT: &str = "/a-bucket/x.env";

fn temporary_file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

/// A store with one document, and the service that issues its credentials.
async fn store_and_issuer() -> (Store, Store) {
    let (store, issuer) = (Store::start().await, Store::start().await);
    store.answer(OBJECT, Answer::document("A=1", "e"));
    (store, issuer)
}

/// Temporary keys, in the form of a container's and an instance's service.
fn temporary_keys() -> Answer {
    let keys = json!({
        "Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "temporary", "SecretAccessKey": "s",
        "Token": "session", "Expiration": "2126-11-28T12:00:00Z", "LastUpdated": "2026-11-28T12:00:00Z",
    });
    Answer::new(200, keys.to_string())
}

fn assert_signed_by_temporary_keys(store: &Store) {
    let asked = store.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].authorization.contains("Credential=temporary/"), "{asked:?}");
    assert_eq!(asked[0].token, "session");
}

#[tokio::test]
async fn a_role_of_the_service_account_is_taken_on() {
    let (store, sts) = store_and_issuer().await;
    let answer = "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
        <AccessKeyId>temporary</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
        <SessionToken>session</SessionToken><Expiration>2126-11-28T12:00:00Z</Expiration>\
        </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
    sts.answer("/", Answer::new(200, answer));
    let token = temporary_file("the-projected-token");
    let fetcher = fetcher(&[
        ("AWS_ENDPOINT_URL_S3", &store.url("")),
        ("AWS_ENDPOINT_URL_STS", &sts.url("")),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.path().to_str().expect("UTF-8")),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/consumer"),
    ]);
    assert_eq!(fetch(&fetcher, S3).await.text, "A=1");
    assert_signed_by_temporary_keys(&store);
    let exchanged = sts.asked();
    assert_eq!(exchanged.len(), 1);
    assert!(exchanged[0].query.contains("the-projected-token"), "{exchanged:?}");
    assert!(!format!("{:?}", store.asked()).contains("the-projected-token"));
}

#[tokio::test]
async fn eks_pod_identity_and_the_task_s_role_are_asked_with_their_token() {
    let (store, agent) = store_and_issuer().await;
    agent.answer("/v1/credentials", temporary_keys());
    let token = temporary_file("the-pod-s-token");
    let fetcher = fetcher(&[
        ("AWS_ENDPOINT_URL", &store.url("")),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &agent.url("/v1/credentials")),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.path().to_str().expect("UTF-8")),
    ]);
    assert_eq!(fetch(&fetcher, S3).await.text, "A=1");
    assert_signed_by_temporary_keys(&store);
    assert_eq!(agent.asked()[0].authorization, "the-pod-s-token");
}

#[tokio::test]
async fn the_instance_s_role_is_used_where_nothing_else_is() {
    let (store, metadata) = store_and_issuer().await;
    metadata
        .answer("/latest/api/token", Answer::new(200, "metadata-token"))
        .answer("/latest/meta-data/iam/security-credentials/", Answer::new(200, "the-role"))
        .answer("/latest/meta-data/iam/security-credentials/the-role", temporary_keys());
    let fetcher = fetcher(&[
        ("AWS_ENDPOINT_URL", &store.url("")),
        ("AWS_METADATA_ENDPOINT", &metadata.url("")),
    ]);
    assert_eq!(fetch(&fetcher, S3).await.text, "A=1");
    assert_signed_by_temporary_keys(&store);
}

#[tokio::test]
async fn missing_and_refused_credentials_are_said_to_be_so() {
    let (store, issuer) = store_and_issuer().await;
    let endpoint = ("AWS_ENDPOINT_URL", &*store.url(""));
    // No metadata service: nobody listens there.
    let nobody = ("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1");
    let error = fault(&fetcher(&[endpoint, nobody]), S3).await;
    assert!(matches!(error.fault, Fault::NoCredentials { .. }), "{error:?}");
    assert!(error.hint().contains("AWS_ACCESS_KEY_ID"), "{}", error.hint());
    // One that refuses.
    issuer.answer("/latest/api/token", Answer::error(403, "Forbidden"));
    let refusing = issuer.url("");
    let error = fault(&fetcher(&[endpoint, ("AWS_METADATA_ENDPOINT", &refusing)]), S3).await;
    assert!(matches!(error.fault, Fault::NoCredentials { .. }), "{error:?}");
    // One that is away: the next start may find it.
    let away = ("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1");
    let token = temporary_file("the-projected-token");
    let role = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.path().to_str().expect("UTF-8")),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/consumer"),
    ];
    let error = fault(&fetcher(&[endpoint, away, role[0], role[1]]), S3).await;
    assert!(matches!(error.fault, Fault::Silent(..)) && error.fault.is_outage(), "{error:?}");
    // Half a pair of keys.
    let error = fault(&fetcher(&[endpoint, ("AWS_ACCESS_KEY_ID", "a")]), S3).await;
    assert!(matches!(error.fault, Fault::Misconfigured(_)), "{error:?}");
    assert_eq!(store.paths(), [""; 0], "the store was not asked");
}

#[tokio::test]
async fn google_s_identity_is_that_of_bigquery() {
    let service = Store::start().await;
    let refused = json!({ "error": "invalid_grant", "error_description": "revoked" });
    service.answer("/token", Answer::new(400, refused.to_string()));
    let credentials = json!({
        "type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "hunter2",
        "token_uri": service.url("/token"),
    });
    let file = temporary_file(&credentials.to_string());
    let path = file.path().to_str().expect("UTF-8");
    let error =
        fault(&fetcher(&[("GOOGLE_APPLICATION_CREDENTIALS", path)]), "gs://a-bucket/x").await;
    let Fault::NoCredentials { why, .. } = &error.fault else { panic!("{error:?}") };
    assert!(why.contains("invalid_grant: revoked") && !why.contains("hunter2"), "{why}");
    assert_eq!(service.paths(), ["/token"], "asked once");
    // A file that is not there.
    let error =
        fault(&fetcher(&[("GOOGLE_APPLICATION_CREDENTIALS", "/no/file")]), "gs://a-bucket/x").await;
    let Fault::NoCredentials { hint: Some(hint), .. } = &error.fault else { panic!("{error:?}") };
    assert!(hint.contains("GOOGLE_APPLICATION_CREDENTIALS"), "{hint}");
}

/// Pods on EKS have such a file, which `object_store` itself does not read.
#[tokio::test]
async fn a_federated_identity_gets_a_token_that_reads_buckets() {
    let service = Store::start().await;
    service
        .answer("/token", Answer::error(503, "Unavailable"))
        .answer("/token", Answer::new(200, r#"{"access_token":"federated","expires_in":3600}"#));
    let subject = temporary_file("the-projected-token");
    let credentials = json!({
        "type": "external_account", "audience": "a", "subject_token_type": "t",
        "token_url": service.url("/token"), "credential_source": { "file": subject.path() },
    });
    let file = temporary_file(&credentials.to_string());
    let http = reqwest::Client::new();
    let identity = Identity::from_file(Some(file.path()), http, STORAGE_SCOPE).await;
    let identity = identity.unwrap_or_else(|stop| panic!("{stop}"));
    let credentials = GoogleCredentials::new(identity, PATIENCE.retry_for);
    let credential = credentials.get_credential().await.expect("a token");
    assert_eq!(credential.bearer, "federated");
    let asked = service.asked();
    assert_eq!(asked.len(), 2, "a hiccup is survived");
    assert!(asked[1].query.contains("devstorage.read_only"), "{asked:?}");
    assert!(asked[1].query.contains("the-projected-token"), "{asked:?}");
}

#[tokio::test]
async fn no_credentials_go_to_emulators_and_https_locations() {
    let store = Store::start().await;
    store.answer(OBJECT, Answer::document("A=1", "e")).answer("/x", Answer::new(200, "A=1"));
    let file = temporary_file("not read");
    let fetcher = fetcher(&[
        ("STORAGE_EMULATOR_HOST", &store.url("")),
        ("GOOGLE_APPLICATION_CREDENTIALS", file.path().to_str().expect("UTF-8")),
        ("AWS_ACCESS_KEY_ID", "the-key"),
        ("AWS_SECRET_ACCESS_KEY", "the-secret"),
    ]);
    fetch(&fetcher, "gs://a-bucket/x.env").await;
    fetch(&fetcher, &store.url("/x")).await;
    let sent: Vec<String> = store.asked().into_iter().map(|asked| asked.authorization).collect();
    assert_eq!(sent, ["", ""]);
}
