//! The HTTP client of an InfluxDB server, which sends the credentials with every request.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, InvalidHeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};

use crate::config::{InfluxApi, InfluxLogin, InfluxServer, is_loopback};
use crate::stop::Stop;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client that connects when it is asked. A request may take `timeout`, its answer included.
pub fn client(server: &InfluxServer, timeout: Duration) -> Result<Client, Stop> {
    let headers = credentials(&server.api).map_err(|error| invalid(server, error))?;
    // The authorities that this machine trusts; no redirect, because requests carry secrets.
    let mut http = Client::builder()
        .redirect(Policy::none())
        .tls_built_in_webpki_certs(false)
        .connect_timeout(CONNECT_TIMEOUT.min(timeout))
        .timeout(timeout)
        .default_headers(headers)
        .user_agent(concat!("generic-consumer/", env!("CARGO_PKG_VERSION")));
    let url: Url = server.url.parse().map_err(|error| invalid(server, error))?;
    // A proxy is for what is not on this machine.
    if url.host_str().is_some_and(is_loopback) {
        http = http.no_proxy();
    }
    http.build().map_err(|error| invalid(server, error))
}

/// What is wrong with the section, as what stops the program.
pub(super) fn invalid(
    server: &InfluxServer,
    error: impl std::error::Error + Send + Sync + 'static,
) -> Stop {
    let hint = "check `url` of the write environment's `influxdb` section, and SSL_CERT_FILE, which \
                has to name a readable file of certificates if it is set";
    Stop::new(format!("set up the client of {}", server.url), hint, error)
}

fn credentials(api: &InfluxApi) -> Result<HeaderMap, InvalidHeaderValue> {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    let authorization = match api {
        InfluxApi::V2 { token: Some(token), .. } => format!("Token {}", token.expose()),
        InfluxApi::V1 { login: Some(InfluxLogin { user, password }), .. } => {
            format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.expose())))
        }
        InfluxApi::V2 { token: None, .. } | InfluxApi::V1 { login: None, .. } => {
            return Ok(HeaderMap::new());
        }
    };
    let mut value = HeaderValue::try_from(authorization)?;
    value.set_sensitive(true);
    Ok([(AUTHORIZATION, value)].into_iter().collect())
}
