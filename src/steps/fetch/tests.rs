//! Objects of a server on this machine that fails in every way.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Response, StatusCode};
use axum::routing::get;
use futures_util::{StreamExt, stream};
use http::HeaderMap;
use reqwest::Url;
use tokio::net::TcpListener;

use super::pump::{self, Checks};
use super::resolver::{Lookup, Resolver};
use super::web::Web;
use super::{Fault, Objects, Place};
use crate::clock::Clock;
use crate::config::{AllowList, FetchSettings, Variables};

fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response<Body> {
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    answer.body(body.into()).expect("a response")
}

/// A body that is cut off, or pauses, after its first bytes.
fn broken(then: impl stream::Stream<Item = io::Result<Bytes>> + Send + 'static) -> Body {
    let first = stream::iter([Ok(Bytes::from_static(b"half"))]);
    Body::from_stream(first.chain(then))
}

/// A byte now and then, without an end.
fn trickle() -> impl stream::Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::repeat_with(|| Ok(Bytes::from_static(b"x"))).then(|byte| async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        byte
    })
}

async fn server() -> SocketAddr {
    let refusal = |status: u16, code: &str| {
        let body = format!("<Error><Code>{code}</Code><Message>no secret here</Message></Error>");
        move || async move { answer(status, &[], body) }
    };
    let routes = Router::new()
        .route("/whole", get(|| async { answer(200, &[("content-type", "text/plain")], "abc") }))
        .route("/empty", get(|| async { answer(200, &[], "") }))
        .route("/missing", get(refusal(404, "NoSuchKey")))
        .route("/gone", get(refusal(410, "Gone")))
        .route("/denied", get(refusal(403, "AccessDenied")))
        .route("/token", get(refusal(400, "ExpiredToken")))
        .route("/slow-down", get(refusal(503, "SlowDown")))
        .route("/many", get(refusal(429, "TooManyRequests")))
        .route("/nothing", get(|| async { StatusCode::NO_CONTENT }))
        .route(
            "/redirect",
            get(|| async {
                let to = "http://169.254.169.254/latest/meta-data/iam?token=secret";
                answer(302, &[("location", to)], "")
            }),
        )
        .route(
            "/cut",
            get(|| async {
                answer(200, &[], broken(stream::iter([Err(io::Error::other("cut"))])))
            }),
        )
        .route("/silent", get(|| async { answer(200, &[], broken(stream::pending())) }))
        .route("/trickle", get(|| async { answer(403, &[], Body::from_stream(trickle())) }))
        .route(
            "/endless",
            get(|| async {
                let chunks =
                    stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from(vec![7; 1 << 14])));
                answer(200, &[], Body::from_stream(chunks))
            }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

fn settings(allow: &str) -> FetchSettings {
    FetchSettings {
        url: vec!["url".to_owned()],
        allow: AllowList::parse(allow).expect("a list"),
        size: None,
        sha256: None,
        bytes: 1 << 20,
        unpacked_bytes: 1 << 20,
        entry_bytes: 1 << 20,
        entries: 10,
        timeout: Duration::from_secs(20),
        idle: Duration::from_millis(200),
        concurrency: 1,
    }
}

fn checks() -> Checks {
    Checks { most_bytes: 1 << 20, idle: Duration::from_millis(200), size: None, sha256: None }
}

fn text(bytes: &mut dyn Read) -> io::Result<String> {
    let mut text = String::new();
    bytes.read_to_string(&mut text).map(|_| text)
}

fn shown(fault: Fault) -> String {
    match fault {
        Fault::Rejected { reason, detail } => format!("{}: {detail}", reason.code()),
        Fault::Away(why) => format!("away: {why}"),
        Fault::Stop(stop) => format!("stop: {}", stop.what),
    }
}

/// What becomes of an object, as `code: detail`.
async fn outcome(objects: &Objects, url: &str) -> String {
    let place = match objects.place(url) {
        Ok(place) => place,
        Err(fault) => return shown(fault),
    };
    let read = |content_type: Option<String>, bytes: &mut dyn Read| {
        text(bytes).map(|text| format!("{text} {}", content_type.unwrap_or_default()))
    };
    match objects.read((&place, &HeaderMap::new()), &checks(), read).await {
        Ok(read) => read.expect("the reader reads"),
        Err(fault) => shown(fault),
    }
}

#[tokio::test]
async fn each_answer_of_a_server_has_its_outcome() {
    let server = server().await;
    let allowed = format!("http://{server}");
    let objects = Objects::new(&settings(&allowed), Variables::default()).expect("a client");
    for (path, expected) in [
        ("whole", "abc text/plain"),
        ("empty", " "),
        ("missing", "object_missing: 127.0.0.1 answered 404 NoSuchKey"),
        ("gone", "object_gone: 127.0.0.1 answered 410 Gone"),
        ("denied", "object_denied: 127.0.0.1 answered 403 AccessDenied"),
        (
            "denied?X-Amz-Date=20200123T161559Z&X-Amz-Expires=86400&X-Amz-Signature=secret",
            "object_expired: 127.0.0.1 answered 403 AccessDenied: the URL has expired",
        ),
        ("token", "object_expired: 127.0.0.1 answered 400 ExpiredToken: the URL has expired"),
        ("slow-down", "away: 127.0.0.1 answered 503 SlowDown"),
        ("many", "away: 127.0.0.1 answered 429 TooManyRequests"),
        ("nothing", "object_denied: 127.0.0.1 answered 204"),
        (
            "redirect",
            "object_refused: 127.0.0.1 answered 302, a redirect to http://169.254.169.254, and \
             redirects are not followed",
        ),
        ("trickle", "object_denied: 127.0.0.1 answered 403"),
        ("cut", "away: "),
        ("silent", "away: "),
        ("endless", "object_too_large: the object has more than 1048576 bytes"),
    ] {
        let found = outcome(&objects, &format!("{allowed}/{path}")).await;
        assert!(found.starts_with(expected), "{path}: {found}");
        assert!(!found.contains("secret"), "{found}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_or_too_slow_is_away() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = nobody.local_addr().expect("an address");
    let allowed = format!("http://{address}");
    let short = FetchSettings {
        timeout: Duration::from_millis(150),
        idle: Duration::from_secs(9),
        ..settings(&allowed)
    };
    let objects = Objects::new(&short, Variables::default()).expect("a client");
    let found = outcome(&objects, &format!("{allowed}/x")).await;
    assert_eq!(found, "away: not complete after 150ms", "it accepts and says nothing");
    drop(nobody);
    let found = outcome(&objects, &format!("{allowed}/x")).await;
    assert!(found.starts_with("away: "), "{found}");
}

/// Resolves every name to these addresses.
fn resolver(allowed: &str, addresses: &[&str], port: u16) -> Resolver {
    let found: Vec<SocketAddr> = addresses
        .iter()
        .map(|address| SocketAddr::new(address.parse().expect("an address"), port))
        .collect();
    let lookup: Lookup = Arc::new(move |_| {
        let found = found.clone();
        Box::pin(async move { Ok(found) })
    });
    Resolver::with_lookup(Arc::new(AllowList::parse(allowed).expect("a list")), lookup)
}

#[tokio::test]
async fn a_listed_name_leads_to_public_and_listed_addresses_only() {
    let server = server().await;
    let (list, port) = (format!("http://objects.example:{}", server.port()), server.port());
    let listed = format!("{list}, 127.0.0.0/8");
    for (list, addresses, expected) in [
        (&list, &["127.0.0.1"][..], "object_refused: objects.example has the address 127.0.0.1"),
        (&list, &["169.254.169.254"], "object_refused: objects.example has the address 169.254"),
        (&list, &["::ffff:10.0.0.1"], "object_refused: objects.example has the address ::ffff:10"),
        (&listed, &["127.0.0.1"], "abc"),
        (&listed, &["10.0.0.1", "127.0.0.1"], "abc"),
    ] {
        let idle = Duration::from_secs(5);
        let resolver = resolver(list, addresses, port);
        let web = Web::with_resolver(resolver, idle, Clock::System).expect("a client");
        let url: Url = format!("http://objects.example:{port}/whole").parse().expect("a URL");
        let found = match web.open(&url, &HeaderMap::new()).await {
            Ok(opened) => {
                pump::read(opened, &checks(), text).await.expect("arrives").expect("text")
            }
            Err(fault) => shown(fault),
        };
        assert!(found.starts_with(expected), "{addresses:?}: {found}");
    }
}

#[tokio::test]
async fn an_address_in_a_url_is_checked_though_nothing_resolves_it() {
    // The list names the host, and so its address. A resolver with an empty list stands for a mistake
    // in the list's own check.
    let web = Web::with_resolver(resolver("", &[], 1), Duration::from_secs(5), Clock::System);
    let web = web.expect("a client");
    for host in
        ["127.0.0.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:a9fe:a9fe]", "169.254.169.254"]
    {
        let url: Url = format!("http://{host}:9/x").parse().expect("a URL");
        let found = web.open(&url, &HeaderMap::new()).await.err().map(shown).expect("refused");
        assert!(found.starts_with("object_refused: "), "{host}: {found}");
    }
}

#[tokio::test]
async fn places_outside_the_list_are_never_asked() {
    let server = server().await;
    let objects =
        Objects::new(&settings("https://a.example"), Variables::default()).expect("a client");
    let found = outcome(&objects, &format!("http://{server}/whole")).await;
    assert!(found.starts_with("object_refused: FETCH_ALLOW does not list"), "{found}");
    assert!(matches!(objects.place("https://a.example/x"), Ok(Place::Web(_))));
}
