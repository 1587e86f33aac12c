//! The HTTP client of all that is fetched.

use std::cell::RefCell;
use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use reqwest::redirect::Policy;
use reqwest::{Request, Url};

use crate::config::is_loopback;
use crate::document::MOST_BYTES;
use crate::error_chain::{chain, errors};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long one attempt may take, the whole document included.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long an object may take whose reader has no limit of its own.
const LONGEST_OBJECT: Duration = Duration::from_secs(24 * 3600);

/// How long a service on the machine's own link may take: metadata servers answer at once.
const LINK_LOCAL_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes that are read of a response that is no document.
const MOST_BYTES_OF_REFUSAL: usize = 64 << 10;

/// Characters of a store's message that are shown.
const LONGEST_MESSAGE: usize = 300;

/// EC2's instance metadata service. Elsewhere nothing answers there, so it is asked once.
const INSTANCE_METADATA: [&str; 2] = ["169.254.169.254", "fd00:ec2::254"];

/// Clones share their connections.
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
    /// For this machine and its own link, where no proxy can help.
    direct: reqwest::Client,
    /// Where the metadata service is, if a variable names another place.
    metadata: Option<String>,
    /// Whether `object_store` gets the bytes of documents as they arrive, however many there are.
    is_streaming: bool,
}

/// A complete response.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// A response that is no document, in its server's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Host and port of who answered: the store, or a service that issues credentials.
    pub authority: String,
    pub status: StatusCode,
    /// The code of the store: `NoSuchKey`.
    pub code: Option<String>,
    pub message: Option<String>,
    /// The region of the bucket, where S3 names it.
    pub region: Option<String>,
}

/// Why there is no complete response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{authority}: {why}")]
pub struct NoAnswer {
    pub authority: String,
    pub why: Why,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    #[error("the name cannot be resolved")]
    NameNotResolved,
    #[error("the server's certificate is not trusted ({0})")]
    CertificateNotTrusted(String),
    #[error("no response ({0})")]
    Silent(String),
    #[error("more than {MOST_BYTES} bytes")]
    TooLarge,
    #[error("`http://` is allowed for this machine only")]
    Plaintext,
    #[error("not a URL")]
    NoUrl,
}

/// What went wrong in the latest request.
#[derive(Debug, Clone)]
pub enum Trouble {
    Refused(Refusal),
    NoAnswer {
        no_answer: NoAnswer,
        /// Whether another attempt is worth its while.
        transient: bool,
    },
}

tokio::task_local! {
    /// The trouble of the fetch that the task is at. `object_store`'s errors have it as text only.
    static TROUBLE: RefCell<Option<Trouble>>;
}

/// Runs a fetch; returns its result and the trouble of its latest request.
pub async fn with_trouble<T>(fetch: impl Future<Output = T>) -> (T, Option<Trouble>) {
    TROUBLE
        .scope(RefCell::new(None), async {
            let result = fetch.await;
            (result, TROUBLE.with(RefCell::take))
        })
        .await
}

/// Notes what went wrong; `None` after a success.
fn note(trouble: Option<Trouble>) {
    // Outside `with_trouble` nobody asks for it.
    let _ = TROUBLE.try_with(|noted| noted.replace(trouble));
}

impl Http {
    /// `metadata` is the URL of another metadata service than EC2's.
    pub fn new(metadata: Option<&str>) -> Result<Self, reqwest::Error> {
        let builder = || {
            reqwest::Client::builder()
                .redirect(Policy::none())
                .tls_built_in_webpki_certs(false)
                .https_only(false)
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(ATTEMPT_TIMEOUT)
                .user_agent(concat!("generic-consumer/", env!("CARGO_PKG_VERSION")))
        };
        Ok(Self {
            client: builder().build()?,
            direct: builder().no_proxy().build()?,
            metadata: metadata.and_then(|url| Some(authority(&url.parse().ok()?))),
            is_streaming: false,
        })
    }

    /// The client for objects of any size. Whoever reads them limits bytes and time.
    pub fn streaming(&self) -> Self {
        Self { is_streaming: true, ..self.clone() }
    }

    /// The client for services that issue tokens.
    pub fn for_tokens(&self) -> reqwest::Client {
        self.client.clone()
    }

    /// Sends a request and reads the whole response.
    pub async fn send(&self, request: Request) -> Result<Answer, NoAnswer> {
        let authority = authority(request.url());
        let response = self.begin(request).await?;
        complete(response).await.map_err(|why| NoAnswer { authority, why })
    }

    /// Sends a request and waits for the head of the response.
    async fn begin(&self, mut request: Request) -> Result<reqwest::Response, NoAnswer> {
        let authority = authority(request.url());
        let failed = |why| NoAnswer { authority: authority.clone(), why };
        let host = request.url().host_str().unwrap_or_default().to_owned();
        let near = is_loopback(&host) || is_link_local(&host);
        if request.url().scheme() != "https" && !near {
            return Err(failed(Why::Plaintext));
        }
        if is_link_local(&host) {
            *request.timeout_mut() = Some(LINK_LOCAL_TIMEOUT);
        } else if self.is_streaming {
            *request.timeout_mut() = Some(LONGEST_OBJECT);
        }
        let client = if near { &self.direct } else { &self.client };
        client.execute(request).await.map_err(|error| failed(why(&error.without_url())))
    }

    /// Whether a failed request is worth another attempt.
    pub fn is_transient(&self, no_answer: &NoAnswer) -> bool {
        let host = no_answer.authority.rsplit_once(':').map_or("", |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_metadata = INSTANCE_METADATA.contains(&host)
            || self.metadata.as_ref() == Some(&no_answer.authority);
        match no_answer.why {
            Why::NameNotResolved | Why::Silent(_) => !is_metadata,
            Why::CertificateNotTrusted(_) | Why::TooLarge | Why::Plaintext | Why::NoUrl => false,
        }
    }
}

/// Reads the whole response.
async fn complete(mut response: reqwest::Response) -> Result<Answer, Why> {
    let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
    let is_document = status.is_success();
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| why(&error.without_url()))? {
        body.extend_from_slice(&chunk);
        if is_document && body.len() as u64 > MOST_BYTES {
            return Err(Why::TooLarge);
        }
        if !is_document && body.len() > MOST_BYTES_OF_REFUSAL {
            break;
        }
    }
    Ok(Answer { status, headers, body: body.freeze() })
}

#[async_trait]
impl HttpService for Http {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let failed = |no_answer: NoAnswer| {
            let transient = self.is_transient(&no_answer);
            note(Some(Trouble::NoAnswer { no_answer: no_answer.clone(), transient }));
            let kind = if transient { HttpErrorKind::Connect } else { HttpErrorKind::Unknown };
            HttpError::new(kind, no_answer)
        };
        let authority_of_uri = parts.uri.authority().map(ToString::to_string).unwrap_or_default();
        let url: Url = parts.uri.to_string().parse().map_err(|_| {
            failed(NoAnswer { authority: authority_of_uri.clone(), why: Why::NoUrl })
        })?;
        let asked = authority(&url);
        let mut request = Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        // Requests for documents and tokens have at most a small form.
        if let Some(form) = body.as_bytes().filter(|form| !form.is_empty()) {
            *request.body_mut() = Some(form.clone().into());
        }
        let response = self.begin(request).await.map_err(failed)?;
        if self.is_streaming && response.status().is_success() {
            note(None);
            let response: Response<reqwest::Body> = response.into();
            let silent = |error: reqwest::Error| {
                HttpError::new(HttpErrorKind::Interrupted, error.without_url())
            };
            return Ok(response.map(|body| HttpResponseBody::new(body.map_err(silent))));
        }
        let answer = complete(response).await;
        let answer = answer.map_err(|why| failed(NoAnswer { authority: asked.clone(), why }))?;
        let refusal = (!answer.status.is_success()).then(|| Refusal::of(&answer, asked));
        note(refusal.map(Trouble::Refused));
        let mut response = Response::new(answer.body.into());
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }
}

impl HttpConnector for Http {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

impl Refusal {
    pub fn of(answer: &Answer, authority: String) -> Self {
        let text = String::from_utf8_lossy(&answer.body);
        let region = answer.headers.get("x-amz-bucket-region").map(HeaderValue::to_str);
        Self {
            authority,
            status: answer.status,
            code: element(&text, "Code"),
            message: element(&text, "Message"),
            region: region.and_then(Result::ok).map(str::to_owned),
        }
    }

    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self.status.as_u16(), 408 | 429 | 500..=599)
    }
}

/// The text of an element of an error in S3's form, which Google has too.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once('<')?;
    let text: String = text.chars().filter(|c| !c.is_control()).take(LONGEST_MESSAGE).collect();
    (!text.is_empty()).then_some(text)
}

/// Host and port of a URL.
pub fn authority(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}", url.host_str().unwrap_or_default())
}

/// Whether a host is an address of the machine's own link, where clouds serve metadata and
/// credentials.
fn is_link_local(host: &str) -> bool {
    match host.trim_start_matches('[').trim_end_matches(']').parse() {
        Ok(IpAddr::V4(ip)) => ip.is_link_local(),
        // Amazon's unique local addresses: instance metadata and EKS Pod Identity.
        Ok(IpAddr::V6(ip)) => ip.segments()[..2] == [0xfd00, 0x0ec2],
        Err(_) => false,
    }
}

fn why(error: &reqwest::Error) -> Why {
    let text = chain(error);
    // rustls' text.
    if let Some((_, reason)) = text.rsplit_once("invalid peer certificate: ") {
        return Why::CertificateNotTrusted(reason.to_owned());
    }
    // The text of hyper's connector; its type is private.
    if errors(error).any(|cause| cause.to_string() == "dns error") {
        return Why::NameNotResolved;
    }
    Why::Silent(text)
}
