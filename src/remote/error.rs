//! Why a document could not be fetched, and what a person can do about it.

use super::http::{NoAnswer, Refusal, Trouble, Why};
use crate::config::NotFetched;
use crate::config::location::Remote;
use crate::document::MOST_BYTES;

/// A document that was not fetched. All of it is safe to print.
#[derive(Debug, thiserror::Error)]
#[error("{location}: {fault}")]
pub struct FetchError {
    pub location: Box<Remote>,
    pub fault: Fault,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("there is no such bucket ({0})")]
    NoSuchBucket(String),
    #[error("there is no such document ({0})")]
    NoSuchDocument(String),
    #[error("access denied ({0})")]
    AccessDenied(String),
    #[error("no credentials ({why})")]
    NoCredentials { why: String, hint: Option<String> },
    /// S3 answers only in the bucket's own region.
    #[error("the bucket is in another region ({answer})")]
    AnotherRegion { answer: String, region: Option<String> },
    #[error("the server redirects to another address ({0})")]
    Redirected(String),
    #[error("the name {0} cannot be resolved")]
    NameNotResolved(String),
    #[error("the certificate of {0} is not trusted ({1})")]
    CertificateNotTrusted(String, String),
    #[error("it has more than {MOST_BYTES} bytes")]
    TooLarge,
    #[error("it is not UTF-8")]
    NotUtf8,
    /// No complete response, for as long as requests were repeated.
    #[error("{0} does not answer ({1})")]
    Silent(String, String),
    /// The service says that it cannot answer now, for as long as requests were repeated.
    #[error("the service cannot answer now ({0})")]
    Unavailable(String),
    #[error("the server refuses the request ({0})")]
    Refused(String),
    #[error("{0}")]
    Misconfigured(String),
    #[error("the documents of the contract changed again and again while they were fetched")]
    Changing,
    #[error("it was replaced while it was read")]
    Replaced,
    #[error("the contract refers to more than {0}")]
    TooMuch(&'static str),
}

impl Fault {
    /// Sorts what went wrong in the latest request. `is_store` says whether an answer is the store's.
    pub fn of(trouble: Trouble, is_store: &dyn Fn(&str) -> bool) -> Self {
        match trouble {
            Trouble::Refused(refusal) if is_store(&refusal.authority) => Self::refused(refusal),
            Trouble::Refused(refusal) if refusal.is_transient() => Self::Unavailable(by(&refusal)),
            Trouble::Refused(refusal) => Self::NoCredentials { why: by(&refusal), hint: None },
            Trouble::NoAnswer { no_answer, transient } => {
                // Where a metadata service would be, nobody may be.
                let may_be_outage = transient || is_store(&no_answer.authority);
                Self::no_answer(no_answer, may_be_outage)
            }
        }
    }

    fn refused(refusal: Refusal) -> Self {
        let answer = by(&refusal);
        let code = refusal.code.as_deref().unwrap_or_default();
        match (refusal.status.as_u16(), code) {
            _ if refusal.is_transient() => Self::Unavailable(answer),
            (
                _,
                "PermanentRedirect"
                | "AuthorizationHeaderMalformed"
                | "IllegalLocationConstraintException",
            ) => Self::AnotherRegion { answer, region: refusal.region },
            (300..=399, _) => Self::Redirected(answer),
            (401 | 403, _) | (400, "ExpiredToken" | "InvalidToken") => Self::AccessDenied(answer),
            (404, "NoSuchBucket") => Self::NoSuchBucket(answer),
            (404 | 410, _) => Self::NoSuchDocument(answer),
            _ => Self::Refused(answer),
        }
    }

    fn no_answer(NoAnswer { authority, why }: NoAnswer, may_be_outage: bool) -> Self {
        match why {
            Why::TooLarge => Self::TooLarge,
            Why::CertificateNotTrusted(why) => Self::CertificateNotTrusted(authority, why),
            Why::Plaintext | Why::NoUrl => Self::Misconfigured(format!("{authority}: {why}")),
            Why::NameNotResolved | Why::Silent(_) if !may_be_outage => {
                Self::NoCredentials { why: format!("{authority}: {why}"), hint: None }
            }
            Why::NameNotResolved => Self::NameNotResolved(authority),
            Why::Silent(why) => Self::Silent(authority, why),
        }
    }

    /// Whether the place is right, as far as one knows, and did not answer.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::NameNotResolved(_) | Self::Silent(..) | Self::Unavailable(_) | Self::Changing => {
                true
            }
            Self::NoSuchBucket(_)
            | Self::NoSuchDocument(_)
            | Self::AccessDenied(_)
            | Self::NoCredentials { .. }
            | Self::AnotherRegion { .. }
            | Self::Redirected(_)
            | Self::CertificateNotTrusted(..)
            | Self::TooLarge
            | Self::NotUtf8
            | Self::Refused(_)
            | Self::Misconfigured(_)
            | Self::Replaced
            | Self::TooMuch(_) => false,
        }
    }
}

/// What the server answered: `s3.eu-west-1.amazonaws.com:443 answered 404 NoSuchKey: …`.
fn by(refusal: &Refusal) -> String {
    let mut text = format!("{} answered {}", refusal.authority, refusal.status.as_u16());
    if let Some(code) = &refusal.code {
        text.push_str(&format!(" {code}"));
    }
    if let Some(message) = &refusal.message {
        text.push_str(&format!(": {message}"));
    }
    text
}

impl FetchError {
    pub fn new(location: &Remote, fault: Fault) -> Self {
        Self { location: Box::new(location.clone()), fault }
    }

    /// What to do.
    pub fn hint(&self) -> String {
        let remote = &*self.location;
        match &self.fault {
            Fault::NoSuchBucket(_) => match remote {
                Remote::S3(_) => "name a bucket that exists; AWS_ENDPOINT_URL says where, if it is not Amazon's",
                Remote::Gs(_) | Remote::Https(_) => "name a bucket that exists",
            },
            Fault::NoSuchDocument(_) => "name a document that exists; upper and lower case are different",
            Fault::AccessDenied(_) => match remote {
                Remote::S3(_) => {
                    "let the identity of this process read it (`s3:GetObject`, and `kms:Decrypt` with \
                     a key of one's own). Without `s3:ListBucket`, S3 answers so as well where the \
                     object does not exist"
                }
                Remote::Gs(_) => {
                    "let the identity of this process read it: `roles/storage.objectViewer` on the \
                     bucket"
                }
                Remote::Https(_) => {
                    "no credentials are sent to `https://` locations; if the URL is signed, it may \
                     have expired"
                }
            },
            Fault::NoCredentials { hint: Some(hint), .. } => return hint.clone(),
            Fault::NoCredentials { hint: None, .. } => match remote {
                Remote::S3(_) => {
                    "give the process an identity of AWS: a role of its service account, of its task \
                     or of its machine, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in its \
                     environment. Profiles are not read"
                }
                Remote::Gs(_) | Remote::Https(_) => {
                    "set GOOGLE_APPLICATION_CREDENTIALS in the environment of the process, or run \
                     where there is a metadata server"
                }
            },
            Fault::AnotherRegion { region: Some(region), .. } => {
                return format!("set AWS_REGION={region} in the environment of the process");
            }
            Fault::AnotherRegion { region: None, .. } => {
                "set AWS_REGION in the environment of the process to the region of the bucket"
            }
            Fault::Redirected(_) => "name the address where the document is: redirects are not followed",
            Fault::NameNotResolved(_) => "check the name, and the DNS of the machine or the pod",
            Fault::CertificateNotTrusted(..) => {
                "SSL_CERT_FILE names the authorities that are trusted in place of the machine's own"
            }
            Fault::TooLarge => "a document of the configuration or of a contract is smaller",
            Fault::NotUtf8 => "store it as UTF-8, not compressed",
            Fault::Silent(..) | Fault::Unavailable(_) => {
                "check the network and the service's status, then start again"
            }
            Fault::Refused(_) | Fault::Misconfigured(_) => {
                "check the location and the variables of its store (docs/reference/configuration.md)"
            }
            Fault::Replaced | Fault::Changing => "start again when the upload has ended",
            Fault::TooMuch(_) => "split the contract, or have it on the machine",
        }
        .to_owned()
    }

    /// The error as a mistake of the configuration.
    pub fn into_mistake(self) -> NotFetched {
        NotFetched { found: self.to_string(), accepted: self.hint() }
    }
}
