//! Who asks: a token may read everything; the identity that a gateway has put into a header may read
//! its own organization.

use axum::http::{HeaderMap, StatusCode};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use crate::json_tree;
use crate::serve::api::Tokens;
use crate::serve::api::problem::Problem;

/// The header in which a gateway of console.redhat.com says who asks.
pub(super) const IDENTITY: &str = "x-rh-identity";

/// Gateways write the padding or leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How callers say who they are. With neither, everybody who reaches the address reads everything.
#[derive(Debug, Default)]
pub struct Access {
    pub tokens: Option<Tokens>,
    /// Whether a gateway in front sets the identity's header, and nobody else can.
    pub identity: bool,
}

/// What a caller may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Caller {
    Everything,
    Organization(String),
}

impl Access {
    /// Who sent these headers. Where there is an identity, it alone counts: a caller's own
    /// `Authorization` may have come through the gateway, and never adds to what it may read.
    pub(super) fn caller(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        if self.identity && headers.contains_key(IDENTITY) {
            return organization(headers).map(Caller::Organization).map_err(broken);
        }
        match &self.tokens {
            Some(tokens) if tokens.sent_in(headers) => Ok(Caller::Everything),
            Some(_) if self.identity => {
                let detail = format!(
                    "send a known token as `Authorization: Bearer TOKEN`, or come through the \
                     gateway that sets {IDENTITY}"
                );
                let mut problem = Problem::no_token();
                problem.detail = detail;
                Err(problem)
            }
            Some(_) => Err(Problem::no_token()),
            None if self.identity => Err(broken("the request has no such header")),
            None => Ok(Caller::Everything),
        }
    }
}

impl Caller {
    /// Whether it may read this organization.
    pub fn may_read(&self, organization: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Organization(own) => own == organization,
        }
    }

    /// The one organization that it may read; `None`: all.
    pub fn only(&self) -> Option<&str> {
        match self {
            Self::Everything => None,
            Self::Organization(own) => Some(own),
        }
    }
}

/// The organization of the identity, or what is wrong with it. No message has a value of it.
fn organization(headers: &HeaderMap) -> Result<String, &'static str> {
    let mut sent = headers.get_all(IDENTITY).iter();
    let (Some(value), None) = (sent.next(), sent.next()) else {
        return Err("the header is there more than once");
    };
    let json = BASE64.decode(value.as_bytes().trim_ascii()).map_err(|_| "it is not base64")?;
    let read = json_tree::read(&json).map_err(|_| "what it encodes is not JSON")?;
    let identity = read.get("identity").and_then(Value::as_object);
    let identity = identity.ok_or("its JSON has no object `identity`")?;
    let outer = text(identity.get("org_id"))?;
    let inner = identity.get("internal").and_then(|internal| internal.get("org_id"));
    match (outer, text(inner)?) {
        (Some(outer), Some(inner)) if outer != inner => {
            Err("`identity.org_id` and `identity.internal.org_id` differ")
        }
        (Some(one), _) | (None, Some(one)) => Ok(one),
        (None, None) => Err("it has neither `identity.org_id` nor `identity.internal.org_id`"),
    }
}

fn text(value: Option<&Value>) -> Result<Option<String>, &'static str> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(_) => Err("its `org_id` is not a text, or is empty"),
    }
}

fn broken(why: &str) -> Problem {
    let title = "the identity cannot be read";
    let detail = format!("{IDENTITY}: {why}");
    Problem::new(StatusCode::UNAUTHORIZED, "identity", title, detail)
}
