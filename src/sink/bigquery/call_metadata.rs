//! The gRPC metadata that every call of the Storage Write API carries.

use tonic::Status;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};

/// Returns the routing header, `parameter=resource` percent-encoded, and the authorization header
/// if there is a token.
pub fn call_metadata(
    parameter: &str,
    resource: &str,
    token: Option<&str>,
) -> Result<MetadataMap, Status> {
    let not_ascii = |_| Status::internal("a header value is not ASCII");
    let routing = format!("{parameter}={}", percent_encode(resource));
    let mut metadata = MetadataMap::new();
    metadata.insert("x-goog-request-params", routing.parse().map_err(not_ascii)?);
    if let Some(token) = token {
        let bearer = format!("Bearer {token}");
        let mut bearer: AsciiMetadataValue = bearer.parse().map_err(not_ascii)?;
        bearer.set_sensitive(true);
        metadata.insert("authorization", bearer);
    }
    Ok(metadata)
}

/// Encodes everything except RFC 3986's unreserved characters, as the routing header requires.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(byte as char);
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routing_values_are_percent_encoded() {
        let metadata = call_metadata("write_stream", "projects/p/_default", None).unwrap();
        let routing = metadata.get("x-goog-request-params").unwrap();
        assert_eq!(routing, "write_stream=projects%2Fp%2F_default");
        assert!(metadata.get("authorization").is_none());
    }

    #[test]
    fn a_token_is_sensitive() {
        let metadata = call_metadata("name", "s", Some("ya29.secret")).unwrap();
        let bearer = metadata.get("authorization").unwrap();
        assert_eq!(bearer, "Bearer ya29.secret");
        assert!(!format!("{metadata:?}").contains("ya29"));
    }
}
