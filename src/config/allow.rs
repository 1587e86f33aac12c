//! What a domain may fetch: servers, buckets, and addresses that are not public.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use reqwest::Url;

use super::location::{InBucket, Location, Remote};
use super::values::{self, Wrong};

/// The places from which objects may be fetched. An empty list allows none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList {
    servers: Vec<Server>,
    buckets: Vec<Remote>,
    /// Addresses that are not public and may be connected to all the same.
    addresses: Vec<IpNet>,
}

/// A server, or all of a domain's: `https://*.s3.eu-west-1.amazonaws.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Server {
    scheme: String,
    /// In lower case, as URLs have it. Begins with a dot where the entry begins with `*.`.
    host: String,
    port: u16,
    /// Begins with a slash and does not end in one; empty for the whole server.
    path: String,
}

impl AllowList {
    /// Reads a JSON list, or entries separated by commas.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let mut list = Self::default();
        for (index, entry) in values::names(text, "a place")?.iter().enumerate() {
            // An entry may be pasted with its secrets, so the message counts.
            list.add(entry).map_err(|wrong| wrong.about(format!("entry {}", index + 1)))?;
        }
        Ok(list)
    }

    fn add(&mut self, entry: &str) -> Result<(), Wrong> {
        match entry.split_once("://").map(|(scheme, _)| scheme) {
            None => self.addresses.push(addresses(entry)?),
            Some("s3" | "gs") => match Location::folder(entry)? {
                Location::Remote(bucket) => self.buckets.push(bucket),
                Location::Local(_) => return Err(Wrong::plain()),
            },
            Some("http" | "https") => {
                let server = Server::parse(entry)?;
                // Whoever names an address means it.
                let literal = server.host.trim_matches(['[', ']']).parse::<IpAddr>();
                self.addresses.extend(literal.map(IpNet::from));
                self.servers.push(server);
            }
            Some(_) => {
                return Err(Wrong::because(
                    "the scheme is none of `https://`, `http://`, `s3://` and `gs://`",
                ));
            }
        }
        Ok(())
    }

    /// Host and port of each server that has a name of its own.
    pub fn servers(&self) -> impl Iterator<Item = (&str, u16)> {
        let named = self.servers.iter().filter(|server| !server.host.starts_with('.'));
        named.map(|server| (server.host.trim_matches(['[', ']']), server.port))
    }

    /// Whether a server may be asked for this URL.
    pub fn permits_url(&self, url: &Url) -> bool {
        self.servers.iter().any(|server| server.permits(url))
    }

    /// Whether an object of this bucket may be read.
    pub fn permits_object(&self, at: &Remote) -> bool {
        self.buckets.iter().any(|allowed| match (allowed, at) {
            (Remote::S3(allowed), Remote::S3(at)) | (Remote::Gs(allowed), Remote::Gs(at)) => {
                is_in(allowed, at)
            }
            _ => false,
        })
    }

    /// Whether it names addresses: of what is not public, that is.
    pub fn has_addresses(&self) -> bool {
        !self.addresses.is_empty()
    }

    /// Whether an address that is not public may be connected to.
    pub fn lists_address(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|range| range.contains(&address))
    }
}

/// The entries, separated by commas.
impl fmt::Display for AllowList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.servers.iter().map(ToString::to_string);
        let buckets = self.buckets.iter().map(|at| at.to_string().trim_end_matches('/').to_owned());
        let addresses = self.addresses.iter().map(ToString::to_string);
        f.write_str(&servers.chain(buckets).chain(addresses).collect::<Vec<_>>().join(", "))
    }
}

impl Server {
    fn parse(entry: &str) -> Result<Self, Wrong> {
        let url: Url = entry.parse().map_err(|_| Wrong::because("it is not a URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Wrong::because("a user has no place here"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(Wrong::because("a query has no place here: all queries are allowed"));
        }
        let given = url.host_str().unwrap_or_default();
        let host = given.strip_prefix('*').unwrap_or(given);
        let is_domain = host.starts_with('.') && host[1..].contains('.');
        if host.contains('*') || (host != given && !is_domain) {
            return Err(Wrong::because(
                "`*` may stand for the first names of a host: `https://*.example.com`",
            ));
        }
        Ok(Self {
            scheme: url.scheme().to_owned(),
            host: host.to_owned(),
            port: url.port_or_known_default().unwrap_or_default(),
            path: url.path().trim_end_matches('/').to_owned(),
        })
    }

    fn permits(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let is_host = match self.host.starts_with('.') {
            true => host.ends_with(&self.host) && host.len() > self.host.len(),
            false => host == self.host,
        };
        is_host
            && url.scheme() == self.scheme
            && url.port_or_known_default() == Some(self.port)
            && self.has_path(url.path())
    }

    /// Whether a path is this entry's, or in it. The URL's parser has taken out `..`; what a server
    /// may take for it later is not in it.
    fn has_path(&self, path: &str) -> bool {
        if self.path.is_empty() {
            return true;
        }
        let rest = path.strip_prefix(&self.path);
        !may_leave(path) && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Whether a server may take a part of a path for `..`, however often it decodes it, and whatever it
/// takes for the end of a part.
fn may_leave(path: &str) -> bool {
    let mut path = path.as_bytes().to_vec();
    loop {
        if path.split(|b| b"/\\;".contains(b)).any(|part| part == b"..") {
            return true;
        }
        let decoded: Vec<u8> = percent_encoding::percent_decode(&path).collect();
        if decoded.len() == path.len() {
            return false;
        }
        path = decoded;
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.host.starts_with('.') { "*" } else { "" };
        write!(f, "{}://{star}{}:{}{}", self.scheme, self.host, self.port, self.path)
    }
}

/// A range of addresses, or one.
fn addresses(entry: &str) -> Result<IpNet, Wrong> {
    let one = entry.parse::<IpAddr>().map(IpNet::from);
    one.or_else(|_| entry.parse::<IpNet>()).map_err(|_| {
        Wrong::because(
            "it is neither a URL, nor a bucket, nor a range of addresses such as 10.0.0.0/8",
        )
    })
}

fn is_in(folder: &InBucket, object: &InBucket) -> bool {
    folder.bucket == object.bucket
        && (folder.key.is_empty()
            || object.key.strip_prefix(&folder.key).is_some_and(|rest| rest.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(list: &str, url: &str) -> bool {
        let list = AllowList::parse(list).expect("a list");
        match Location::file(url.as_ref()) {
            Ok(Location::Remote(at @ (Remote::S3(_) | Remote::Gs(_)))) => list.permits_object(&at),
            _ => list.permits_url(&url.parse().expect("a URL")),
        }
    }

    #[test]
    fn a_url_has_to_match_scheme_host_port_and_path() {
        for (list, url, expected) in [
            ("https://a.example", "https://a.example/x?y=1", true),
            ("https://a.example", "https://A.EXAMPLE:443/x", true),
            ("https://a.example", "http://a.example/x", false),
            ("https://a.example", "https://a.example:8443/x", false),
            ("https://a.example", "https://b.a.example/x", false),
            ("https://a.example", "https://a.example.evil/x", false),
            ("https://*.a.example", "https://b.c.a.example/x", true),
            ("https://*.a.example", "https://a.example/x", false),
            ("https://*.a.example", "https://ba.example/x", false),
            ("https://a.example/one", "https://a.example/one", true),
            ("https://a.example/one/", "https://a.example/one/x", true),
            ("https://a.example/one", "https://a.example/onetwo", false),
            ("https://a.example/one", "https://a.example/one/../two", false),
            ("https://a.example/one", "https://a.example/one/%2e%2e/two", false),
            ("https://a.example/one", "https://a.example/one/..%2ftwo", false),
            ("https://a.example/one", "https://a.example/one/x%2Fy", true),
            ("https://a.example/one", "https://a.example/one/a..b/c...d/%2e", true),
            ("https://a.example/one", "https://a.example/one/%2e%2e%2ftwo", false),
            ("https://a.example/one", "https://a.example/one/.%2e%2ftwo", false),
            ("https://a.example/one", "https://a.example/one/%2f%2e%2e%2ftwo", false),
            ("https://a.example/one", "https://a.example/one/..;/two", false),
            ("https://a.example/one", "https://a.example/one/%252e%252e%252ftwo", false),
            ("https://a.example/one", "https://a.example/one/..%5ctwo", false),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000/x", true),
            ("http://127.0.0.1:9000", "http://2130706433:9000/x", true),
            ("", "https://a.example/x", false),
        ] {
            assert_eq!(permits(list, url), expected, "{list} {url}");
        }
    }

    #[test]
    fn an_object_has_to_be_in_a_listed_bucket() {
        for (list, url, expected) in [
            ("s3://archives", "s3://archives/a/b", true),
            ("s3://archives", "gs://archives/a/b", false),
            ("s3://archives", "s3://archives-2/a", false),
            ("s3://archives/a", "s3://archives/a/b", true),
            ("s3://archives/a/", "s3://archives/ab", false),
            ("gs://other, s3://archives", "s3://archives/x", true),
        ] {
            assert_eq!(permits(list, url), expected, "{list} {url}");
        }
    }

    #[test]
    fn addresses_are_listed_by_themselves_by_ranges_and_by_servers() {
        let list = "10.1.0.0/16, 192.168.7.7, http://127.0.0.1:9000, https://minio.storage.svc";
        let list = AllowList::parse(list).expect("a list");
        for (address, expected) in [
            ("10.1.2.3", true),
            ("10.2.0.1", false),
            ("192.168.7.7", true),
            ("127.0.0.1", true),
            ("127.0.0.2", false),
            ("::1", false),
        ] {
            let address: IpAddr = address.parse().expect("an address");
            assert_eq!(list.lists_address(address), expected, "{address}");
        }
    }

    #[test]
    fn what_is_no_place_is_named() {
        for (entry, why) in [
            ("ftp://a", "scheme"),
            ("archives", "neither"),
            ("https://user:secret@a", "user"),
            ("https://a?x=1", "query"),
            ("https://*", "`*`"),
            ("https://*.com", "`*`"),
            ("https://a.*.b", "`*`"),
            ("10.0.0.0/33", "neither"),
            ("s3://UPPER", "bucket"),
        ] {
            let wrong = AllowList::parse(entry).expect_err(entry).accepted("x");
            assert!(wrong.contains(why) && wrong.contains("entry 1: "), "{entry}: {wrong}");
            assert!(!wrong.contains("secret") && !wrong.contains("x=1"), "{wrong}");
        }
    }

    #[test]
    fn it_is_shown_as_it_is_read() {
        let text = "https://*.a.example:443/x, s3://archives/a, 10.0.0.0/8";
        let list = AllowList::parse(text).expect("a list");
        assert_eq!(AllowList::parse(&list.to_string()).expect("a list"), list);
        assert_eq!(list.to_string(), text);
    }
}
