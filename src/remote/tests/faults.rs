//! What is said where there is no document, and what is tried again.

use super::*;

const S3: &str = "s3://a-bucket/config/x.env";
const GS: &str = "gs://a-bucket/config/x.env";
/// The paths of both at a custom endpoint.
const OBJECT: &str = "/a-bucket/config/x.env";

#[tokio::test]
async fn a_document_is_fetched_with_its_version() {
    let store = Store::start().await;
    let versioned = Answer::document("A=1\n", "\"e1\"")
        .with("x-amz-version-id", "v1")
        .with("x-goog-generation", "7");
    store.answer(OBJECT, versioned.clone()).answer("/plain/x.env", versioned);
    store.answer("/bare", Answer::new(200, "B=2"));
    let fetcher = fetcher_of(&store);
    for (location, version) in [
        (S3.to_owned(), "ETag \"e1\", version v1"),
        (GS.to_owned(), "ETag \"e1\", version 7"),
        (store.url("/plain/x.env?X-Amz-Signature=1"), "ETag \"e1\", version v1"),
    ] {
        let fetched = fetch(&fetcher, &location).await;
        assert_eq!(
            (fetched.text.as_str(), fetched.version.to_string().as_str()),
            ("A=1\n", version)
        );
        let is_unchanged = fetcher.is_unchanged(&remote(&location), &fetched).await;
        assert!(is_unchanged.expect("an answer"), "{location}");
        let mut other = fetched.clone();
        other.version.etag = Some("\"e0\"".to_owned());
        other.text.push('x');
        let is_unchanged = fetcher.is_unchanged(&remote(&location), &other).await;
        assert!(!is_unchanged.expect("an answer"), "{location}");
    }
    assert_eq!(fetch(&fetcher, &store.url("/bare")).await.version.to_string(), "no ETag");
}

#[tokio::test]
async fn permanent_faults_are_reported_at_once_and_told_apart() {
    type Is = fn(&Fault) -> bool;
    let cases: [(Answer, Is, &str); 9] = [
        (
            Answer::error(404, "NoSuchBucket"),
            |it| matches!(it, Fault::NoSuchBucket(_)),
            "bucket that exists",
        ),
        (
            Answer::error(404, "NoSuchKey"),
            |it| matches!(it, Fault::NoSuchDocument(_)),
            "document that exists",
        ),
        (
            Answer::error(403, "AccessDenied"),
            |it| matches!(it, Fault::AccessDenied(_)),
            "let the identity",
        ),
        (
            Answer::error(401, "AuthenticationRequired"),
            |it| matches!(it, Fault::AccessDenied(_)),
            "identity",
        ),
        (Answer::error(400, "ExpiredToken"), |it| matches!(it, Fault::AccessDenied(_)), "identity"),
        (
            Answer::error(301, "PermanentRedirect").with("x-amz-bucket-region", "eu-west-1"),
            |it| matches!(it, Fault::AnotherRegion { .. }),
            "AWS_REGION=eu-west-1",
        ),
        (
            Answer::error(400, "AuthorizationHeaderMalformed"),
            |it| matches!(it, Fault::AnotherRegion { .. }),
            "set AWS_REGION",
        ),
        (Answer::error(409, "Odd"), |it| matches!(it, Fault::Refused(_)), "check the location"),
        (Answer::new(200, *b"A=\xff"), |it| matches!(it, Fault::NotUtf8), "UTF-8"),
    ];
    for (answer, is, hint) in cases {
        for location in [S3, GS] {
            let store = Store::start().await;
            let answer = answer
                .clone()
                .with("etag", "e")
                .with("last-modified", "Sat, 28 Nov 2026 12:00:00 GMT");
            store.answer(OBJECT, answer);
            let error = fault(&fetcher_of(&store), location).await;
            assert!(is(&error.fault), "{error:?}");
            assert!(!error.fault.is_outage(), "{error:?}");
            assert_eq!(store.paths(), [OBJECT], "asked once: {error}");
            let said = format!("{error}; {}", error.hint());
            assert!(said.starts_with(location) && said.contains(hint) || location == GS, "{said}");
            assert!(!said.contains("the-key") && !said.contains("the-secret"), "{said}");
        }
    }
}

#[tokio::test]
async fn the_store_s_own_words_are_in_the_message() {
    let store = Store::start().await;
    store.answer(OBJECT, Answer::error(403, "AccessDenied"));
    let error = fault(&fetcher_of(&store), S3).await.to_string();
    let authority = store.url("").replace("http://", "");
    let expected =
        format!("{S3}: access denied ({authority} answered 403 AccessDenied: about AccessDenied)");
    assert_eq!(error, expected);
}

#[tokio::test]
async fn https_faults_are_told_apart_and_no_query_is_shown() {
    let store = Store::start().await;
    let elsewhere = Store::start().await;
    store
        .answer("/302", Answer::new(302, "").with("location", elsewhere.url("/x.env")))
        .answer("/403", Answer::new(403, "denied"))
        .answer("/410", Answer::new(410, ""))
        .answer("/206", Answer::new(206, "half"))
        .answer("/304", Answer::new(304, ""));
    let fetcher = fetcher(&[]);
    type Is = fn(&Fault) -> bool;
    let cases: [(&str, Is); 6] = [
        ("/302", |it| matches!(it, Fault::Redirected(_))),
        ("/403", |it| matches!(it, Fault::AccessDenied(_))),
        ("/404", |it| matches!(it, Fault::NoSuchDocument(_))),
        ("/410", |it| matches!(it, Fault::NoSuchDocument(_))),
        ("/206", |it| matches!(it, Fault::Refused(_))),
        ("/304", |it| matches!(it, Fault::Redirected(_))),
    ];
    for (path, is) in cases {
        let error = fault(&fetcher, &store.url(&format!("{path}?sig=hunter2"))).await;
        assert!(is(&error.fault), "{error:?}");
        assert!(!format!("{error:?} {error} {}", error.hint()).contains("hunter2"), "{error}");
    }
    assert_eq!(store.paths().len(), cases.len(), "each was asked once");
    assert_eq!(elsewhere.paths(), [""; 0], "no redirect is followed");
}

#[tokio::test]
async fn a_hiccup_is_survived() {
    let store = Store::start().await;
    for status in [500, 503, 429] {
        store.answer(OBJECT, Answer::error(status, "SlowDown"));
        store.answer("/x.env", Answer::error(status, "SlowDown"));
    }
    store.answer(OBJECT, Answer::document("A=1", "e")).answer("/x.env", Answer::new(200, "A=1"));
    let fetcher = fetcher_of(&store);
    assert_eq!(fetch(&fetcher, S3).await.text, "A=1");
    assert_eq!(fetch(&fetcher, &store.url("/x.env")).await.text, "A=1");
    assert_eq!(store.paths().len(), 8);
}

#[tokio::test]
async fn an_outage_ends_the_patience() {
    let store = Store::start().await;
    store.answer(OBJECT, Answer::error(503, "SlowDown")).answer("/x", Answer::new(500, ""));
    let fetcher = fetcher_of(&store);
    for location in [S3, GS, &store.url("/x")] {
        let error = fault(&fetcher, location).await;
        assert!(matches!(error.fault, Fault::Unavailable(_)), "{error:?}");
        assert!(error.fault.is_outage());
    }
    assert!(store.paths().len() > 6, "each was tried several times");
    // Nobody listens on port 1.
    let closed = super::fetcher(&[
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "b"),
    ]);
    for location in [S3, "http://127.0.0.1:1/x"] {
        let error = fault(&closed, location).await;
        assert!(matches!(error.fault, Fault::Silent(..)), "{error:?}");
        assert!(error.fault.is_outage());
    }
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved_is_named() {
    let fetcher = super::fetcher(&[
        ("AWS_ENDPOINT_URL", "https://store.invalid"),
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "b"),
    ]);
    for (location, name) in
        [(S3, "store.invalid:443"), ("https://host.invalid/x", "host.invalid:443")]
    {
        let error = fault(&fetcher, location).await;
        assert_eq!(error.fault, Fault::NameNotResolved(name.to_owned()));
    }
}

#[tokio::test]
async fn a_document_that_is_too_large_is_not_read_to_its_end() {
    let store = Store::start().await;
    let most = usize::try_from(crate::document::MOST_BYTES).expect("fits");
    let large = |bytes: usize| Answer::document(&" ".repeat(bytes), "e");
    store.answer(OBJECT, large(most + 1)).answer("/x", large(most + 1)).answer("/y", large(most));
    let fetcher = fetcher_of(&store);
    for location in [S3, &store.url("/x")] {
        let error = fault(&fetcher, location).await;
        assert_eq!(error.fault, Fault::TooLarge, "{error}");
    }
    assert_eq!(fetch(&fetcher, &store.url("/y")).await.text.len(), most);
    assert_eq!(store.paths().len(), 3);
}

#[tokio::test]
async fn plaintext_goes_no_further_than_this_machine() {
    for (name, value, location) in [
        ("AWS_ENDPOINT_URL", "http://192.0.2.1", S3),
        ("STORAGE_EMULATOR_HOST", "192.0.2.1:80", GS),
    ] {
        let credentials = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")];
        let variables: Vec<_> = credentials.into_iter().chain([(name, value)]).collect();
        let error = fault(&super::fetcher(&variables), location).await;
        let Fault::Misconfigured(why) = &error.fault else { panic!("{error:?}") };
        assert!(why.contains("this machine only"), "{why}");
    }
}
