//! `[write.<env>.influxdb]` and the keys of a measurement.

use crate::config::keys::{INFLUX_FIELDS, INFLUX_MEASUREMENT, INFLUX_TAGS, INFLUX_TIME};
use crate::config::resolver::Resolver;
use crate::config::secret::Secret;
use crate::config::sink_settings::{
    InfluxApi, InfluxLogin, InfluxServer, InfluxSettings, PointRules,
};
use crate::config::values::{self, Wrong};

const URL: &str = "`https://host:port`, or `http://` for this machine only unless `allow_http` is \
                   `true`";
const FLAG: &str = "`true` or `false`";
const API: &str = "`v2` (`/api/v2/write`) or `v1` (`/write`)";
const ORG: &str = "an organization's name or id; InfluxDB 1.8 needs none";
const BUCKET: &str = "a bucket; in InfluxDB 1.8 `database` or `database/retention-policy`";
const TOKEN: &str = "an API token; in InfluxDB 1.8 `user:password`";
const DATABASE: &str = "a database";
const POLICY: &str = "a retention policy of the database";
const USER: &str = "the name of a user, without `:`";
const PASSWORD: &str = "the password of the user";

/// The most characters of a measurement. Its dead letters' name is longer, and both are far below
/// the 64 KiB that a series may have.
const LONGEST_MEASUREMENT: usize = 200;

/// The keys of one API, which are mistakes with the other one.
const OF_V2: &[&str] = &["org", "bucket", "token"];
const OF_V1: &[&str] = &["database", "retention_policy", "user", "password"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Api {
    V2,
    V1,
}

/// What becomes tags, fields and time of a point.
pub fn point(resolver: &mut Resolver<'_>) -> Option<PointRules> {
    let columns = |text: &str| values::names(text, "a column");
    let tags = resolver.required(&INFLUX_TAGS, columns);
    let fields = resolver.optional(&INFLUX_FIELDS, columns);
    let time = resolver.optional(&INFLUX_TIME, values::pointer);
    Some(PointRules { tags: tags?, fields: fields?, time: time? })
}

/// `environment`: the path of the write environment, `write.prod`, where it is known.
pub fn read(
    resolver: &mut Resolver<'_>,
    environment: Option<&str>,
    point: Option<PointRules>,
) -> Option<InfluxSettings> {
    let measurement = resolver.required(&INFLUX_MEASUREMENT, measurement);
    let server = server(resolver, environment?);
    Some(InfluxSettings { server: server?, measurement: measurement?, point: point? })
}

/// The name of a measurement.
pub fn measurement(text: &str) -> Result<String, Wrong> {
    let is_plain = |c: char| !c.is_control() && c != '\\';
    let fits = !text.is_empty()
        && !text.starts_with(['_', '#'])
        && text.chars().all(is_plain)
        && text.chars().count() <= LONGEST_MEASUREMENT;
    if fits { Ok(text.to_owned()) } else { Err(Wrong::plain()) }
}

/// The server of a write environment.
pub fn server(resolver: &mut Resolver<'_>, environment: &str) -> Option<InfluxServer> {
    let at = |leaf: &str| format!("{environment}.influxdb.{leaf}");
    let allow_http = resolver.optional_at(&at("allow_http"), FLAG, values::flag);
    let allowed = allow_http == Some(Some(true));
    let url = resolver.required_at(&at("url"), URL, |text| match values::address(text)? {
        (_, true) if !allowed => Err(Wrong::because(
            "points and token would be sent in clear to another machine; `allow_http = true` allows it",
        )),
        (url, _) => Ok(url),
    });
    let gzip = resolver.optional_at(&at("gzip"), FLAG, values::flag);
    let api = resolver.optional_at(&at("api"), API, |text| {
        values::choice(text, &[("v2", Api::V2), ("v1", Api::V1)])
    });
    let api = match api?.unwrap_or(Api::V2) {
        Api::V2 => {
            let valid = only(resolver, environment, ("v2", OF_V1));
            v2(resolver, environment).filter(|_| valid)
        }
        Api::V1 => {
            let valid = only(resolver, environment, ("v1", OF_V2));
            v1(resolver, environment).filter(|_| valid)
        }
    };
    allow_http?;
    Some(InfluxServer { url: url?, api: api?, gzip: gzip?.unwrap_or(false) })
}

/// Records the keys that this API does not have as mistakes. False where there are some.
fn only(
    resolver: &mut Resolver<'_>,
    environment: &str,
    (api, others): (&str, &'static [&str]),
) -> bool {
    let mut valid = true;
    for leaf in others {
        if let Some(setting) = resolver.layers.find(&format!("{environment}.influxdb.{leaf}")) {
            let found = format!("a key that the API {api} does not have");
            let accepted = format!("this key with `api` {} only", other(api));
            resolver.mistake(setting, found, accepted);
            valid = false;
        }
    }
    valid
}

fn other(api: &str) -> &'static str {
    if api == "v2" { "`v1`" } else { "`v2`" }
}

fn v2(resolver: &mut Resolver<'_>, environment: &str) -> Option<InfluxApi> {
    let at = |leaf: &str| format!("{environment}.influxdb.{leaf}");
    let org = resolver.optional_at(&at("org"), ORG, name);
    let bucket = resolver.required_at(&at("bucket"), BUCKET, name);
    let token = resolver.optional_at(&at("token"), TOKEN, |text| match is_header(text) {
        true => Ok(Secret::new(text)),
        false => Err(Wrong::plain()),
    });
    Some(InfluxApi::V2 { org: org?, bucket: bucket?, token: token? })
}

fn v1(resolver: &mut Resolver<'_>, environment: &str) -> Option<InfluxApi> {
    let at = |leaf: &str| format!("{environment}.influxdb.{leaf}");
    let database = resolver.required_at(&at("database"), DATABASE, name);
    let retention_policy = resolver.optional_at(&at("retention_policy"), POLICY, name);
    let user = resolver.optional_at(&at("user"), USER, |text| match text.contains(':') {
        true => Err(Wrong::plain()),
        false => name(text),
    });
    let password = resolver.optional_at(&at("password"), PASSWORD, |text| Ok(Secret::new(text)));
    let login = match (user, password) {
        (Some(Some(user)), Some(Some(password))) => Some(Some(InfluxLogin { user, password })),
        (Some(None), Some(None)) => Some(None),
        (Some(Some(_)), Some(None)) => {
            resolver.missing(&at("password"), "the password, because `user` is set");
            None
        }
        (Some(None), Some(Some(_))) => {
            resolver.missing(&at("user"), "the user, because `password` is set");
            None
        }
        (None, _) | (_, None) => None,
    };
    Some(InfluxApi::V1 { database: database?, retention_policy: retention_policy?, login: login? })
}

/// A name in InfluxDB: not empty, and without control characters.
fn name(text: &str) -> Result<String, Wrong> {
    match !text.is_empty() && !text.chars().any(char::is_control) {
        true => Ok(text.to_owned()),
        false => Err(Wrong::plain()),
    }
}

/// Whether a text can be part of a request's header.
fn is_header(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}
