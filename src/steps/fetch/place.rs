//! Where an object is: the URL in an event.

use reqwest::Url;

use super::fault::{Fault, refused};
use crate::config::location::{Location, Remote};
use crate::config::{AllowList, is_host};

/// Bytes of the longest URL: HTTP's library sends none of 64 KiB.
const LONGEST_URL: usize = 60_000;

/// The place of an object that may be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On a web server. A signed URL has its signature in the query, so it is never shown whole.
    Web(Url),
    /// In a bucket, which is read with the identity of this process.
    Bucket(Remote),
}

impl Place {
    /// Reads a URL, and checks that the list allows it.
    pub fn of(text: &str, allowed: &AllowList) -> Result<Self, Fault> {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        match scheme.as_deref() {
            Some("http" | "https") => web(text, allowed).map(Self::Web),
            Some("s3" | "gs") => bucket(text, allowed).map(Self::Bucket),
            Some(other) if is_scheme(other) => {
                Err(refused(format!("the scheme {other:?} is none of https, http, s3 and gs")))
            }
            Some(_) | None => Err(refused("the text is not a URL".to_owned())),
        }
    }

    /// The last name of its path: what the object is called.
    pub fn name(&self) -> &str {
        let path = match self {
            Self::Web(url) => url.path(),
            Self::Bucket(Remote::S3(at) | Remote::Gs(at)) => &at.key,
            Self::Bucket(Remote::Https(_)) => "",
        };
        path.rsplit('/').next().unwrap_or_default()
    }

    /// The place without what may be secret.
    pub fn shown(&self) -> String {
        match self {
            Self::Web(url) => {
                let mut url = url.clone();
                url.set_query(None);
                url.set_fragment(None);
                url.to_string()
            }
            Self::Bucket(at) => at.to_string(),
        }
    }
}

/// Whether it is the name of a scheme, and not a part of a URL that may be secret.
fn is_scheme(text: &str) -> bool {
    const LONGEST: usize = 20;
    text.len() <= LONGEST && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

fn web(text: &str, allowed: &AllowList) -> Result<Url, Fault> {
    if text.len() > LONGEST_URL {
        return Err(refused(format!("the URL has more than {LONGEST_URL} bytes")));
    }
    let url: Url = text.parse().map_err(|_| refused("the text is not a URL".to_owned()))?;
    if !url.has_host() || url.host_str().is_none_or(str::is_empty) {
        return Err(refused("the URL has no host".to_owned()));
    }
    if !url.host_str().is_some_and(is_host) {
        return Err(refused("the URL's host is no name that a server can have".to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("the URL has a user in it".to_owned()));
    }
    if !allowed.permits_url(&url) {
        let (scheme, host) = (url.scheme(), url.host_str().unwrap_or_default());
        let port = url.port_or_known_default().unwrap_or_default();
        return Err(refused(format!(
            "FETCH_ALLOW does not list {scheme}://{host}:{port} with this path"
        )));
    }
    Ok(url)
}

fn bucket(text: &str, allowed: &AllowList) -> Result<Remote, Fault> {
    match Location::file(text.as_ref()) {
        Ok(Location::Remote(at)) if allowed.permits_object(&at) => Ok(at),
        Ok(Location::Remote(Remote::S3(at) | Remote::Gs(at))) => Err(refused(format!(
            "FETCH_ALLOW does not list the bucket {:?} with this key",
            at.bucket
        ))),
        Ok(_) => Err(refused("the text is not a URL".to_owned())),
        Err(wrong) => Err(refused(wrong.accepted("a bucket and the name of an object"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Reason;

    #[test]
    fn places_that_are_not_listed_or_no_urls_are_refused() {
        let allowed = AllowList::parse("https://a.example/x, s3://archives").expect("a list");
        for (text, why) in [
            ("", "not a URL"),
            ("a.example/x", "not a URL"),
            ("file:///etc/passwd", "scheme \"file\""),
            ("a.example/x?sig=u:p&next=https://b", "not a URL"),
            ("u:p@a.example/x#://", "not a URL"),
            ("https://*.a.example/x", "no name"),
            ("https://a,b.a.example/x", "no name"),
            ("https://-a.example/x", "no name"),
            ("https://", "not a URL"),
            ("https:///x", "not list"),
            ("https://u:p@a.example/x", "user"),
            ("https://b.example/x", "does not list https://b.example:443"),
            ("http://169.254.169.254/latest", "does not list"),
            ("s3://other/x", "bucket \"other\""),
            ("s3://archives", "object is missing"),
            ("gs://archives/x", "bucket \"archives\""),
        ] {
            match Place::of(text, &allowed) {
                Err(Fault::Rejected { reason: Reason::ObjectRefused, detail }) => {
                    assert!(detail.contains(why), "{text}: {detail}");
                    assert!(!detail.contains("u:p"), "{detail}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
        let long = format!("https://a.example/x?{}", "q".repeat(LONGEST_URL));
        assert!(matches!(Place::of(&long, &allowed), Err(Fault::Rejected { .. })));
        let label = format!("https://{}.a.example/x", "a".repeat(64));
        assert!(matches!(Place::of(&label, &allowed), Err(Fault::Rejected { .. })));
        let place =
            Place::of("https://a.example/x/o.tar.gz?sig=secret", &allowed).expect("a place");
        assert_eq!(place.name(), "o.tar.gz");
        assert_eq!(place.shown(), "https://a.example/x/o.tar.gz");
        let place = Place::of("s3://archives/a/b.zip", &allowed).expect("a place");
        assert_eq!(place.name(), "b.zip");
    }
}
