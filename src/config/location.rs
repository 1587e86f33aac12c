//! Where a file of the configuration or the folder of the contracts is: on this machine, in a bucket
//! of S3 or of Google Cloud Storage, or behind HTTPS.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Component, Path, PathBuf};

use reqwest::Url;

use super::secret::Secret;
use super::values::{Wrong, is_loopback};

/// A place that a flag, a variable or a key names. `Display` leaves out what may be secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    Local(PathBuf),
    Remote(Remote),
}

/// A document that is fetched, or the folder of such documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remote {
    S3(InBucket),
    Gs(InBucket),
    Https(HttpsPlace),
}

/// A bucket and the name of an object in it; of a folder, the names' beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InBucket {
    pub bucket: String,
    /// Without a slash at either end.
    pub key: String,
}

/// A URL `https://…`, or `http://…` of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpsPlace {
    /// Without a query.
    base: String,
    /// A signed URL has its signature here.
    query: Option<Secret>,
}

/// The longest name of an object in S3 and in Google Cloud Storage.
const LONGEST_KEY: usize = 1024;

impl Location {
    /// The location of a file.
    pub fn file(text: &OsStr) -> Result<Self, Wrong> {
        let location = Self::parse(text)?;
        match &location {
            Self::Local(_) | Self::Remote(Remote::Https(_)) => {}
            Self::Remote(Remote::S3(at) | Remote::Gs(at)) if at.key.is_empty() => {
                return Err(Wrong::because("the name of the object is missing"));
            }
            Self::Remote(Remote::S3(_) | Remote::Gs(_)) => {}
        }
        Ok(location)
    }

    /// The location of a folder. A slash at the end makes no difference.
    pub fn folder(text: &str) -> Result<Self, Wrong> {
        let location = Self::parse(text.as_ref())?;
        if let Self::Remote(Remote::Https(at)) = &location
            && at.query.is_some()
        {
            return Err(Wrong::because(
                "a query belongs to one document, so the address of a folder has none",
            ));
        }
        Ok(location)
    }

    fn parse(text: &OsStr) -> Result<Self, Wrong> {
        let Some((scheme, rest)) = text.to_str().and_then(split_scheme) else {
            return Ok(Self::Local(PathBuf::from(text)));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "s3" => in_bucket(rest).map(|at| Self::Remote(Remote::S3(at))),
            "gs" => in_bucket(rest).map(|at| Self::Remote(Remote::Gs(at))),
            "https" | "http" => {
                https(&format!("{scheme}://{rest}")).map(|at| Self::Remote(Remote::Https(at)))
            }
            _ => Err(Wrong::because("the scheme is none of `s3://`, `gs://` and `https://`")),
        }
    }

    /// The ending of the file's name, which says in which format it is.
    pub fn extension(&self) -> Option<&str> {
        let name: &Path = match self {
            Self::Local(path) => path,
            Self::Remote(Remote::S3(at) | Remote::Gs(at)) => at.key.as_ref(),
            Self::Remote(Remote::Https(at)) => at.base.as_ref(),
        };
        name.extension()?.to_str()
    }
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Self {
        Self::Local(path)
    }
}

impl From<&str> for Location {
    fn from(path: &str) -> Self {
        Self::Local(path.into())
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => path.display().fmt(f),
            Self::Remote(remote) => remote.fmt(f),
        }
    }
}

impl Remote {
    /// The document at a path relative to this folder. The path has one or more names, neither `..`
    /// nor a root; any other has no document.
    pub fn join(&self, path: &Path) -> Option<Self> {
        let mut names = Vec::new();
        for component in path.components() {
            let Component::Normal(name) = component else { return None };
            names.push(name.to_str()?);
        }
        if names.is_empty() {
            return None;
        }
        let inside = |at: &InBucket| {
            let key =
                at.key.split('/').filter(|name| !name.is_empty()).chain(names.iter().copied());
            let key = key.collect::<Vec<_>>().join("/");
            // What a key must not contain, a file's name may.
            check_key(&key).is_ok().then(|| InBucket { bucket: at.bucket.clone(), key })
        };
        Some(match self {
            Self::S3(at) => Self::S3(inside(at)?),
            Self::Gs(at) => Self::Gs(inside(at)?),
            Self::Https(at) => {
                let mut base = at.base.trim_end_matches('/').to_owned();
                for name in &names {
                    base.push('/');
                    base.push_str(&percent_encoded(name));
                }
                Self::Https(HttpsPlace { base, query: None })
            }
        })
    }

    /// The folder's own name: the last part of its path.
    pub fn own_name(&self) -> Option<&str> {
        let path = match self {
            Self::S3(at) | Self::Gs(at) => at.key.as_str(),
            Self::Https(at) => at.base.as_str(),
        };
        path.trim_end_matches('/').rsplit('/').next().filter(|name| !name.is_empty())
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3(InBucket { bucket, key }) => write!(f, "s3://{bucket}/{key}"),
            Self::Gs(InBucket { bucket, key }) => write!(f, "gs://{bucket}/{key}"),
            Self::Https(HttpsPlace { base, query: None }) => f.write_str(base),
            Self::Https(HttpsPlace { base, query: Some(query) }) => write!(f, "{base}?{query}"),
        }
    }
}

impl HttpsPlace {
    /// The whole address, with what may be secret.
    pub fn expose(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{}", self.base, query.expose()),
            None => self.base.clone(),
        }
    }
}

/// Splits `scheme://rest`; `None` for a path.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    let is_scheme =
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(fits);
    is_scheme.then_some((scheme, rest))
}

fn in_bucket(rest: &str) -> Result<InBucket, Wrong> {
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    let fits =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
    // Google's longest names, those with dots, have 222 characters.
    if !(3..=222).contains(&bucket.len()) || !bucket.bytes().all(fits) {
        return Err(Wrong::because(
            "a bucket's name has 3 or more lower-case letters, digits, `-`, `_` and `.`",
        ));
    }
    let key = key.strip_suffix('/').unwrap_or(key);
    if !key.is_empty() {
        check_key(key)?;
    }
    Ok(InBucket { bucket: bucket.to_owned(), key: key.to_owned() })
}

/// Refuses names that a client would not send unchanged, or that look like another one.
fn check_key(key: &str) -> Result<(), Wrong> {
    if key.len() > LONGEST_KEY {
        return Err(Wrong::because("the name of an object has at most 1,024 bytes"));
    }
    if key.split('/').any(|name| matches!(name, "" | "." | "..")) {
        return Err(Wrong::because("a part between slashes is empty, `.` or `..`"));
    }
    if key.contains(|c: char| c.is_control() || matches!(c, '?' | '#')) {
        return Err(Wrong::because("a name with `?`, `#` or control characters is not supported"));
    }
    Ok(())
}

fn https(text: &str) -> Result<HttpsPlace, Wrong> {
    let Ok(mut url) = Url::parse(text) else { return Err(Wrong::because("this is not a URL")) };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Wrong::because("the URL must not contain a user or a password"));
    }
    if url.fragment().is_some() {
        return Err(Wrong::because("the URL must not have a fragment (`#…`)"));
    }
    let Some(host) = url.host_str() else { return Err(Wrong::because("the URL has no host")) };
    if url.scheme() == "http" && !is_loopback(host) {
        return Err(Wrong::because("`http://` is allowed for this machine only"));
    }
    let query = url.query().filter(|query| !query.is_empty()).map(Secret::new);
    url.set_query(None);
    Ok(HttpsPlace { base: url.to_string(), query })
}

/// Escapes all but the characters that mean the same everywhere in a URL. A client must not take a
/// part of a file's name for `/`, `..` or a query.
fn percent_encoded(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// A text with the query of a URL in it left out.
pub fn without_query(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    match rest.split_once('?') {
        Some((before, _)) => format!("{scheme}://{before}?[redacted]"),
        None => text.to_owned(),
    }
}
