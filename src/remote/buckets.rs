//! Buckets of S3 and of Google Cloud Storage, with the identity of this process.

use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{BackoffConfig, ObjectStore, RetryConfig, StaticCredentialProvider};
use reqwest::Url;

use super::error::Fault;
use super::google::GoogleCredentials;
use super::http::{Http, authority};
use super::patience::Patience;
use crate::config::Variables;
use crate::error_chain::chain;
use crate::sink::bigquery::{Identity, STORAGE_SCOPE};

/// A bucket, and who answers for it.
#[derive(Debug, Clone)]
pub struct Bucket {
    pub store: Arc<dyn ObjectStore>,
    /// Host and port of a custom endpoint.
    endpoint: Option<String>,
}

impl Bucket {
    /// Whether it was the store that answered, and not a service that issues credentials.
    pub fn is_store(&self, authority: &str) -> bool {
        match &self.endpoint {
            Some(endpoint) => endpoint == authority,
            None => {
                let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
                host == "storage.googleapis.com"
                    || (host.ends_with(".amazonaws.com") && !host.starts_with("sts."))
            }
        }
    }
}

/// A variable's text; `None` if it is empty.
pub fn variable<'v>(variables: &'v Variables, name: &str) -> Option<&'v str> {
    variables.get(std::ffi::OsStr::new(name))?.to_str().filter(|text| !text.is_empty())
}

fn retries(patience: Patience) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: patience.first_pause,
            max_backoff: patience.longest_pause,
            base: 2.,
        },
        // More than fit into the time, which limits them.
        max_retries: 100,
        retry_timeout: patience.retry_for,
    }
}

/// A bucket of S3. Credentials come from where AWS's own clients find them first: keys, a web
/// identity, a task's role, EKS Pod Identity, the instance's role.
pub fn s3(
    bucket: &str,
    variables: &Variables,
    http: &Http,
    patience: Patience,
) -> Result<Bucket, Fault> {
    let mut builder = AmazonS3Builder::new();
    for name in variables.keys().filter_map(|name| name.to_str()) {
        let key = name.starts_with("AWS_").then(|| name.to_ascii_lowercase().parse());
        if let Some(Ok(key)) = key
            && let Some(value) = variable(variables, name)
        {
            builder = builder.with_config(key, value);
        }
    }
    let endpoint = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
    let endpoint = endpoint.iter().find_map(|name| variable(variables, name));
    if let Some(endpoint) = endpoint {
        builder = builder.with_config(AmazonS3ConfigKey::Endpoint, endpoint);
    }
    let store = builder
        .with_bucket_name(bucket)
        .with_http_connector(http.clone())
        .with_retry(retries(patience))
        .build()
        .map_err(|error| Fault::Misconfigured(error.to_string()))?;
    let endpoint = endpoint.and_then(|url| Some(authority(&url.parse::<Url>().ok()?)));
    Ok(Bucket { store: Arc::new(store), endpoint })
}

/// A bucket of Google Cloud Storage. Tokens come from the credentials file that the environment
/// names, or from the metadata server; an emulator gets none.
pub async fn gs(
    bucket: &str,
    variables: &Variables,
    http: &Http,
    patience: Patience,
) -> Result<Bucket, Fault> {
    let builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(bucket)
        .with_http_connector(http.clone())
        .with_retry(retries(patience));
    let (builder, endpoint) = match emulator(variables) {
        Some(url) => {
            // Never used, but without one the client looks for a credentials file.
            let nothing = StaticCredentialProvider::new(GcpCredential { bearer: String::new() });
            let builder = builder
                .with_config(GoogleConfigKey::BaseUrl, &url)
                .with_credentials(Arc::new(nothing))
                .with_skip_signature(true);
            (builder, url.parse::<Url>().ok().map(|url| authority(&url)))
        }
        None => {
            let path = variable(variables, "GOOGLE_APPLICATION_CREDENTIALS");
            let tokens = http.for_tokens();
            let identity = Identity::from_file(path.map(AsRef::as_ref), tokens, STORAGE_SCOPE);
            let identity = identity.await.map_err(|stop| Fault::NoCredentials {
                why: chain(&stop),
                hint: Some(stop.hint.clone()),
            })?;
            let credentials = GoogleCredentials::new(identity, patience.retry_for);
            (builder.with_credentials(Arc::new(credentials)), None)
        }
    };
    let store = builder.build().map_err(|error| Fault::Misconfigured(error.to_string()))?;
    Ok(Bucket { store: Arc::new(store), endpoint })
}

/// The URL of an emulator, in the variable that Google's own clients read. The scheme may be left
/// out.
fn emulator(variables: &Variables) -> Option<String> {
    let given = variable(variables, "STORAGE_EMULATOR_HOST")?;
    let url = if given.contains("://") { given.to_owned() } else { format!("http://{given}") };
    Some(url.trim_end_matches('/').to_owned())
}
