//! Fetches single documents.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Instant;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use object_store::path::Path;
use object_store::{GetOptions, ObjectStoreExt};
use reqwest::{Request, Url};
use tokio::sync::{Mutex, OnceCell};

use super::buckets::{self, Bucket, variable};
use super::error::{Fault, FetchError};
use super::http::{Http, Refusal, Trouble, authority, with_trouble};
use super::patience::Patience;
use crate::config::location::{HttpsPlace, InBucket, Remote};
use crate::config::{Fetched, Variables, Version};
use crate::error_chain::{chain, errors};
use crate::retry::Backoff;
use crate::sink::bigquery::TokenError;

/// The client of all stores. It connects to nothing before the first fetch.
pub struct Fetcher {
    variables: Variables,
    patience: Patience,
    is_streaming: bool,
    http: OnceCell<Http>,
    /// By whether they are of S3, and their names.
    buckets: Mutex<HashMap<(bool, String), Bucket>>,
}

/// What is at a location.
pub enum Found {
    Document(Fetched),
    /// Still the version that the caller has.
    Unchanged,
}

/// An object whose bytes are on their way.
pub struct Object {
    /// In bytes.
    pub size: u64,
    pub etag: Option<String>,
    pub bytes: BoxStream<'static, object_store::Result<Bytes>>,
}

impl Fetcher {
    /// Endpoints and credentials come from these variables: those of the process.
    pub fn new(variables: Variables) -> Self {
        Self::with_patience(variables, Patience::default())
    }

    pub fn with_patience(variables: Variables, patience: Patience) -> Self {
        let (http, buckets) = (OnceCell::new(), Mutex::default());
        Self { variables, patience, is_streaming: false, http, buckets }
    }

    /// For objects of any size, which [`Fetcher::open`] opens.
    pub fn of_objects(variables: Variables, patience: Patience) -> Self {
        Self { is_streaming: true, ..Self::with_patience(variables, patience) }
    }

    /// The document at a location.
    pub async fn fetch(&self, at: &Remote) -> Result<Fetched, FetchError> {
        match self.get(at, None).await? {
            Found::Document(document) => {
                tracing::info!(location = %at, version = %document.version, "fetched");
                Ok(document)
            }
            // Only a request with an ETag is answered so.
            Found::Unchanged => {
                Err(FetchError::new(at, Fault::Refused("answered 304 for no reason".to_owned())))
            }
        }
    }

    /// An object of a bucket, whose bytes follow. Only locations in buckets have objects.
    pub async fn open(&self, at: &Remote) -> Result<Object, FetchError> {
        let opened = match at {
            Remote::S3(object) | Remote::Gs(object) => self.open_object(at, object).await,
            Remote::Https(_) => Err(Fault::Misconfigured("it is not in a bucket".to_owned())),
        };
        opened.map_err(|fault| FetchError::new(at, fault))
    }

    async fn open_object(&self, at: &Remote, object: &InBucket) -> Result<Object, Fault> {
        let bucket = self.bucket(at, &object.bucket).await?;
        let path = Path::parse(&object.key).map_err(|error| Fault::Misconfigured(chain(&error)))?;
        let (result, trouble) = with_trouble(bucket.store.get(&path)).await;
        match result {
            Ok(found) => {
                let (size, etag) = (found.meta.size, found.meta.e_tag.clone());
                Ok(Object { size, etag, bytes: found.into_stream() })
            }
            Err(error) => Err(fault(&error, trouble, &bucket)),
        }
    }

    /// A range of an object's bytes. With an ETag, another version of it is an error.
    pub async fn range(
        &self,
        at: &Remote,
        range: Range<u64>,
        etag: Option<&str>,
    ) -> Result<Bytes, FetchError> {
        let read = match at {
            Remote::S3(object) | Remote::Gs(object) => {
                self.range_of_object(at, object, range, etag).await
            }
            Remote::Https(_) => Err(Fault::Misconfigured("it is not in a bucket".to_owned())),
        };
        read.map_err(|fault| FetchError::new(at, fault))
    }

    async fn range_of_object(
        &self,
        at: &Remote,
        object: &InBucket,
        range: Range<u64>,
        etag: Option<&str>,
    ) -> Result<Bytes, Fault> {
        let bucket = self.bucket(at, &object.bucket).await?;
        let path = Path::parse(&object.key).map_err(|error| Fault::Misconfigured(chain(&error)))?;
        let options = GetOptions {
            range: Some(range.into()),
            if_match: etag.map(str::to_owned),
            ..GetOptions::default()
        };
        let get = async { bucket.store.get_opts(&path, options).await?.bytes().await };
        match with_trouble(get).await {
            (Ok(bytes), _) => Ok(bytes),
            (Err(object_store::Error::Precondition { .. }), _) => Err(Fault::Replaced),
            (Err(error), trouble) => Err(fault(&error, trouble, &bucket)),
        }
    }

    /// Whether the document is still the one that was fetched.
    pub async fn is_unchanged(&self, at: &Remote, before: &Fetched) -> Result<bool, FetchError> {
        match self.get(at, before.version.etag.as_deref()).await {
            Ok(Found::Unchanged) => Ok(true),
            Ok(Found::Document(now)) => Ok(now.text == before.text),
            Err(FetchError { fault: Fault::NoSuchDocument(_), .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether there is a document.
    pub async fn is_there(&self, at: &Remote) -> Result<bool, FetchError> {
        match self.get(at, None).await {
            Ok(_) => Ok(true),
            Err(FetchError { fault: Fault::NoSuchDocument(_), .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn get(&self, at: &Remote, unless: Option<&str>) -> Result<Found, FetchError> {
        let found = match at {
            Remote::S3(object) | Remote::Gs(object) => self.get_object(at, object, unless).await,
            Remote::Https(place) => self.get_https(at, place, unless).await,
        };
        found.map_err(|fault| FetchError::new(at, fault))
    }

    async fn get_object(
        &self,
        at: &Remote,
        object: &InBucket,
        unless: Option<&str>,
    ) -> Result<Found, Fault> {
        let bucket = self.bucket(at, &object.bucket).await?;
        let path = Path::parse(&object.key).map_err(|error| Fault::Misconfigured(chain(&error)))?;
        let options =
            GetOptions { if_none_match: unless.map(str::to_owned), ..GetOptions::default() };
        let get = async {
            let result = bucket.store.get_opts(&path, options).await?;
            let (etag, id) = (result.meta.e_tag.clone(), result.meta.version.clone());
            Ok((result.bytes().await?, Version { etag, id }))
        };
        let (result, trouble) = with_trouble(get).await;
        match result {
            Ok((bytes, version)) => document(&bytes, version),
            Err(object_store::Error::NotModified { .. }) => Ok(Found::Unchanged),
            Err(error) => Err(fault(&error, trouble, &bucket)),
        }
    }

    /// The bucket of a location, with its credentials.
    async fn bucket(&self, at: &Remote, name: &str) -> Result<Bucket, Fault> {
        let is_s3 = matches!(at, Remote::S3(_));
        let mut buckets = self.buckets.lock().await;
        if let Some(bucket) = buckets.get(&(is_s3, name.to_owned())) {
            return Ok(bucket.clone());
        }
        let http = self.http().await?;
        let bucket = if is_s3 {
            buckets::s3(name, &self.variables, http, self.patience)?
        } else {
            buckets::gs(name, &self.variables, http, self.patience).await?
        };
        buckets.insert((is_s3, name.to_owned()), bucket.clone());
        Ok(bucket)
    }

    async fn get_https(
        &self,
        at: &Remote,
        place: &HttpsPlace,
        unless: Option<&str>,
    ) -> Result<Found, Fault> {
        let http = self.http().await?;
        let url: Url = place
            .expose()
            .parse()
            .map_err(|_| Fault::Misconfigured("the location is not a URL".to_owned()))?;
        let unless = unless.and_then(|etag| HeaderValue::from_str(etag).ok());
        let began = Instant::now();
        let mut backoff = Backoff::new(self.patience.first_pause, self.patience.longest_pause);
        loop {
            let mut request = Request::new(Method::GET, url.clone());
            if let Some(etag) = &unless {
                request.headers_mut().insert(IF_NONE_MATCH, etag.clone());
            }
            let trouble = match http.send(request).await {
                Ok(answer) if answer.status == StatusCode::NOT_MODIFIED && unless.is_some() => {
                    return Ok(Found::Unchanged);
                }
                Ok(answer) if answer.status == StatusCode::OK => {
                    return document(&answer.body, version(&answer.headers));
                }
                Ok(answer) => Trouble::Refused(Refusal::of(&answer, authority(&url))),
                Err(no_answer) => {
                    Trouble::NoAnswer { transient: http.is_transient(&no_answer), no_answer }
                }
            };
            let transient = match &trouble {
                Trouble::Refused(refusal) => refusal.is_transient(),
                Trouble::NoAnswer { transient, .. } => *transient,
            };
            let fault = Fault::of(trouble, &|_| true);
            if !transient || began.elapsed() >= self.patience.retry_for {
                return Err(fault);
            }
            tracing::info!(location = %at, %fault, "not fetched, trying again");
            tokio::time::sleep(backoff.pause()).await;
        }
    }

    async fn http(&self) -> Result<&Http, Fault> {
        let metadata = variable(&self.variables, "AWS_METADATA_ENDPOINT");
        let made = || async {
            let http = Http::new(metadata)?;
            Ok(if self.is_streaming { http.streaming() } else { http })
        };
        let misconfigured = |error: reqwest::Error| Fault::Misconfigured(chain(&error));
        self.http.get_or_try_init(made).await.map_err(misconfigured)
    }
}

fn document(bytes: &[u8], version: Version) -> Result<Found, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::NotUtf8)?;
    Ok(Found::Document(Fetched { text: text.to_owned(), version }))
}

/// The version of a response. Signed URLs of buckets have the headers of their stores.
fn version(headers: &HeaderMap) -> Version {
    let text = |name| headers.get(name)?.to_str().ok().map(str::to_owned);
    let id = text("x-amz-version-id").or_else(|| text("x-goog-generation"));
    Version { etag: text(ETAG.as_str()), id }
}

/// Why a store's client failed.
fn fault(error: &object_store::Error, trouble: Option<Trouble>, bucket: &Bucket) -> Fault {
    // Google's tokens are requested without `object_store`'s client.
    let token_error = errors(error).find_map(|error| error.downcast_ref::<TokenError>());
    if let Some(error) = token_error {
        let (why, hint) = (chain(error), error.hint());
        // A metadata server that does not answer is probably none, and there is a hint for that.
        return match hint {
            None if error.is_transient() => Fault::Unavailable(why),
            _ => Fault::NoCredentials { why, hint: hint.map(str::to_owned) },
        };
    }
    match trouble {
        Some(trouble) => Fault::of(trouble, &|authority| bucket.is_store(authority)),
        // Its text has its sources in it.
        None => Fault::Misconfigured(error.to_string()),
    }
}
