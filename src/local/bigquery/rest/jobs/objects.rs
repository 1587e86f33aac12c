//! Objects of Google Cloud Storage from which load jobs read.

use futures_util::TryStreamExt;

use super::failure::JobFailure;
use crate::config::Variables;
use crate::config::location::{InBucket, Remote};
use crate::local::bigquery::rest::api::ApiError;
use crate::remote::{Fault, FetchError, Fetcher, Patience};

/// How many bytes the files of one job may have. They are in memory.
const MOST_BYTES: u64 = 1 << 30;

/// A file from which a load job reads.
pub struct SourceFile {
    /// What messages call the file.
    pub name: String,
    pub bytes: Vec<u8>,
}

/// The buckets of Google Cloud Storage, as the environment's variables say.
pub struct Objects(Fetcher);

impl Objects {
    pub fn new(variables: Variables) -> Self {
        Self(Fetcher::of_objects(variables, Patience::default()))
    }

    /// Reads the objects of a load job's `sourceUris`, which [`check_uri`] has accepted.
    pub async fn read(&self, uris: &[String]) -> Result<Vec<SourceFile>, JobFailure> {
        let mut files = Vec::with_capacity(uris.len());
        let mut total = 0;
        for uri in uris {
            let invalid = || JobFailure::new("invalid", format!("Invalid source URI: {uri}"));
            let (bucket, key) = in_bucket(uri).ok_or_else(invalid)?;
            let at = Remote::Gs(InBucket { bucket: bucket.to_owned(), key: key.to_owned() });
            let object = self.0.open(&at).await.map_err(|error| not_read(uri, &error))?;
            total += object.size;
            if total > MOST_BYTES {
                let message = format!(
                    "The embedded BigQuery loads at most {MOST_BYTES} bytes in one job: {uri} is \
                     beyond that."
                );
                return Err(JobFailure::new("resourcesExceeded", message));
            }
            let parts: Vec<_> = object.bytes.try_collect().await.map_err(|error| {
                JobFailure::new("backendError", format!("Error while reading {uri}: {error}"))
            })?;
            files.push(SourceFile { name: uri.clone(), bytes: parts.concat() });
        }
        Ok(files)
    }
}

/// Refuses what is not the URI of one object of Google Cloud Storage.
pub fn check_uri(uri: &str) -> Result<(), ApiError> {
    if uri.contains('*') {
        return Err(ApiError::unimplemented(format!(
            "The embedded BigQuery does not support wildcards in sourceUris: {uri}"
        )));
    }
    if uri.contains("://") && !uri.starts_with("gs://") {
        return Err(ApiError::unimplemented(format!(
            "The embedded BigQuery reads sourceUris of Google Cloud Storage (gs://) only, not {uri}."
        )));
    }
    match in_bucket(uri) {
        Some(_) => Ok(()),
        None => Err(ApiError::invalid(format!("Invalid source URI: {uri}"))),
    }
}

/// The bucket and the name of an object.
fn in_bucket(uri: &str) -> Option<(&str, &str)> {
    let (bucket, key) = uri.strip_prefix("gs://")?.split_once('/')?;
    (!bucket.is_empty() && !key.is_empty()).then_some((bucket, key))
}

fn not_read(uri: &str, error: &FetchError) -> JobFailure {
    match &error.fault {
        Fault::NoSuchBucket(_) | Fault::NoSuchDocument(_) => {
            JobFailure::new("notFound", format!("Not found: URI {uri}"))
        }
        Fault::AccessDenied(_) | Fault::NoCredentials { .. } => {
            JobFailure::new("accessDenied", format!("Access Denied: File {uri}: {}", error.fault))
        }
        _ => JobFailure::new("backendError", format!("Error while reading {error}")),
    }
}
