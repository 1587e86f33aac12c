//! What each key accepts and rejects, and the forms of the ignore list.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::config::keys;
use crate::config::values::event_types;

/// Every key with accepted values and rejected values.
const VALUES: &[(&str, &[&str], &[&str])] = &[
    // The other sinks are in postgres.rs, influx.rs and kafka.rs, fetch and rules in steps.rs.
    ("SINK", &["bigquery", "BigQuery"], &["", "bq", "big query"]),
    (
        "BQ_TABLE",
        &["t", "d.t", "my-project.d.t", "example.com:p.d.t_1-2", " t "],
        &["", ".", "d.", "d-d.t", "p p.d.t", "t;drop"],
    ),
    ("IMPORT_PATH", &["a", "contracts.delivery.v10", "a-b.c_d"], &["", "a..b", "../a", "a/b", "."]),
    ("IMPORT_OBJECT", &["DeliveryEventsV10Topic", "x"], &["", " "]),
    ("IN_TOPIC", &["", "orders-v1.x_y"], &["a b", "..", "a/b"]),
    (
        "IGNORE_EVENTS",
        &["", "A", "A, B", r#"["A"]"#, r#""[\"A\"]""#, "[]", r#""[]""#],
        &[
            "A,,B",
            "A,",
            "[A]",
            r#""A""#,
            r#"["A""#,
            "[1]",
            r#"[""]"#,
            r#""["A"]""#,
            "{}[]\"[",
            "\"",
        ],
    ),
    ("FILTER", &["", "payload.amount > 5", r#"event_type in ["a", "b"]"#], &[]),
    ("FILTER_ON_ERROR", &["dead-letter", "ignore"], &["", "deadletter", "drop"]),
    ("FETCH", &["", "/url", "/a/b~1c"], &["url", "/~"]),
    (
        "FETCH_ALLOW",
        &["", "[]", "https://a.example, s3://bucket", r#"["https://*.a.example", "10.0.0.0/8"]"#],
        &["a.example", "ftp://a", "https://*", "https://u@a", "10.0.0.0/33"],
    ),
    ("OBJECT_SIZE", &["", "/size"], &["size"]),
    ("OBJECT_SHA256", &["", "/sha256"], &["sha256"]),
    ("OBJECT_BYTES", &["1KiB", "128MiB", "64GiB"], &["", "1023", "65GiB", "1MB"]),
    ("OBJECT_UNPACKED_BYTES", &["1KiB", "1024GiB"], &["", "0", "1025GiB"]),
    ("OBJECT_FILE_BYTES", &["1KiB", "1GiB"], &["", "0", "2GiB"]),
    ("OBJECT_FILES", &["1", "100_000"], &["", "0", "100000001"]),
    ("OBJECT_TIMEOUT_MS", &["100", "60000"], &["", "99", "3600001"]),
    ("OBJECT_IDLE_MS", &["100", "60000"], &["", "99", "3600001"]),
    ("OBJECT_CONCURRENCY", &["1", "256"], &["", "0", "257"]),
    ("RULES", &["", "rules.ccx_v1", "ccx"], &["../a", "a/b", "a..b"]),
    ("RULE_SETS_DIR", &["rules", "/mnt/rules"], &[""]),
    ("REPORT_PATH", &["contracts.ccx.v1"], &["", "a..b", "../a", "."]),
    ("REPORT_OBJECT", &["Reports"], &["", " "]),
    ("TRACKER_TOPIC", &["", "platform.payload-status"], &["a b", ".."]),
    ("TRACKER_SERVICE", &["ccx-data-pipeline", "a b"], &["", "a\u{1}b"]),
    ("TRACKER_REQUEST", &["/request_id", "/a/b"], &["", "request_id"]),
    ("TRACKER_ORG", &["", "/org_id"], &["org_id"]),
    ("TRACKER_ACCOUNT", &["", "/account"], &["account"]),
    ("CONSUME_ENV", &["prod", "PROD"], &["", "prd", "prod-eu"]),
    ("GROUP_ID", &["test-new-uat-ip", "a.b:c/d"], &["", "a b", "a\tb"]),
    ("START_FROM", &["earliest", "latest", "LATEST"], &["", "beginning", "0"]),
    ("ACCEPT_TOPIC_ID", &["kWmBhxhAQ7iHMOv-RtdvUg"], &["", "events", "kWmBhxhAQ7iHMOv-RtdvU"]),
    ("WRITE_ENV", &["prod"], &["", "uat"]),
    ("ENV_FILE", &[".env", "s3://a-bucket/x.env"], &["", "ftp://h/x.env", "s3://a-bucket"]),
    ("CLUSTER", &["gke-uat"], &["", "gke uat"]),
    ("GOOGLE_APPLICATION_CREDENTIALS", &["", "/a/b.json"], &["{\"private_key\": \"x\"}"]),
    ("MANAGE_TABLE", &["true", "false", "1", "0", "False"], &["", "yes", "2"]),
    ("PG_TABLE", &["high", "events.high_1", "High"], &["", ".", "a.b.c", "a-b", "1st", "a b"]),
    ("PG_TIME_COLUMN", &["", "_ingested_at", "occurredAt"], &["a\0b"]),
    (
        "PG_COMPRESS_AFTER",
        &["", "90s", "5m", "12h", "7d", "4 w"],
        &["7", "0d", "-1d", "1y", "1.5d"],
    ),
    ("PG_RETENTION", &["", "90d"], &["90", "99999999w"]),
    ("INFLUX_MEASUREMENT", &["low", "a b,c=d", "température"], &["", "_internal", "#a", "a\\b"]),
    ("INFLUX_TAGS", &["", "[]", r#"["region"]"#, "region, a.b"], &["region,,", "[1]", "['a']"]),
    ("INFLUX_FIELDS", &["", "[]", r#"["amount"]"#, "a,b"], &[",", "[a]"]),
    ("INFLUX_TIME", &["", "/occurred_at", "/a/b"], &["occurred_at", "/~"]),
    ("OUT_TOPIC", &["ccx.results", "a-b_c"], &["", ".", "a b", "a/b"]),
    ("OUT_KEY", &["", "/order_id", "/a/b~1c"], &["order_id", "/~"]),
    ("PARTITION_BY", &["_ingested_at", "occurredAt"], &["", "a-b", "1a", "a b"]),
    (
        "DEAD_LETTER",
        &["table", "bigquery", "kafka:dead.letters-1_x"],
        &["", "kafka", "kafka:", "kafka:a b", "kafka:..", "tables", "topic:x"],
    ),
    ("MAX_DEAD_SHARE", &["", "50%", "0.5", "0", "99.9 %"], &["1", "100%", "50", "-1%", "half"]),
    ("CONTRACTS_DIR", &["contracts", "/mnt/c", "gs://a-bucket"], &["", "https://h/c?d"]),
    ("CONTRACT_REFRESH", &["", "1s", "5m"], &["0", "0s", "60", "1 minute", "500ms"]),
    ("DELIVERY_GUARANTEE", &["exactly-once", "at-least-once"], &["", "exactly_once", "once"]),
    ("ROW_LAYOUT", &["columns", "envelope"], &["", "column"]),
    (
        "IN_FLIGHT_BYTES",
        &["67108864", "64MiB", "1 GiB", "1048576", "64gib", "2048kib", "64_000_000"],
        &[
            "",
            "0",
            "1MB",
            "64M",
            "-1",
            "1.5GiB",
            "65GiB",
            "1048575",
            "99999999999999999999GiB",
            "MiB",
        ],
    ),
    ("BATCH_BYTES", &["1KiB", "16MiB"], &["", "1023", "17MiB", "one"]),
    ("BATCH_ROWS", &["1", "100000", "10_000"], &["", "0", "100001", "-5", "1.0", "+5", "0x10"]),
    ("BATCH_AGE_MS", &["0", "60000"], &["", "60001", "20ms"]),
    ("COMMIT_INTERVAL_MS", &["0", "60000"], &["", "60001", "0.1"]),
    ("FRESHNESS_SLO", &["", "1s", "5m", "24h"], &["0s", "5", "5 minutes", "-1s"]),
    ("DRAIN_SECONDS", &["1", "25", "025"], &["", "0", "26", "20s"]),
    ("API_ADDR", &["127.0.0.1:0", "[::]:8080"], &["", ":8080", "localhost:8080", "8080"]),
    ("API_TOKENS_FILE", &["", "/run/secrets/tokens"], &[]),
    ("API_BODY_BYTES", &["1KiB", "16MiB"], &["", "1023", "17MiB", "one"]),
    ("API_TIMEOUT_MS", &["1000", "60_000"], &["", "999", "60001", "10s"]),
    ("EVENT_KEY", &["", "/order_id", "/a~1b/~0c"], &["order_id", "/a~2b", "/~"]),
    ("RESULTS_ADDR", &["127.0.0.1:0", "[::]:8082"], &["", ":8082", "localhost:8082", "8082"]),
    ("RESULTS_STORE", &["results.sqlite", "/var/lib/results/a.sqlite"], &["", " "]),
    ("RESULTS_TOKENS_FILE", &["", "/run/secrets/tokens"], &[]),
    ("RESULTS_IDENTITY", &["", "x-rh-identity", "X-RH-Identity"], &["true", "authorization"]),
    // The dashboard reads these two, and no domain does: dashboard.rs.
    ("SERIES", &[], &[]),
    ("DASHBOARD_ADDR", &[], &[]),
    ("METRICS_ADDR", &["127.0.0.1:0", "[::]:9464"], &["", ":9464", "localhost:9464", "9464"]),
    ("ACCEPT_CHANGES", &["true", "0"], &["", "no", "table"]),
    ("DISABLE", &["true", "0"], &["", "no", "-x"]),
];

/// The valid configuration without one key.
fn without(base: &str) -> Sources {
    let lines = VALID.lines().filter(|line| !line.starts_with(base));
    let env_file = lines.map(|line| format!("{line}\n")).collect();
    Sources { env_file, ..Sources::default() }
}

/// The valid configuration in the environment of the process.
fn in_environment() -> Sources {
    VALID.lines().fold(Sources::default(), |sources, line| {
        let (name, value) = line.split_once('=').expect("an assignment");
        sources.variable(name, value.trim_matches('\''))
    })
}

#[test]
fn every_key_accepts_and_rejects_the_listed_values() {
    let bases: Vec<&str> = VALUES.iter().map(|(base, ..)| *base).collect();
    assert_eq!(bases, keys::ALL.iter().map(|key| key.base).collect::<Vec<_>>());
    for ((base, right, wrong), key) in VALUES.iter().zip(keys::ALL) {
        let name = key.name_in("DELIVERY");
        // Where the cluster is named, the .env must not hold what belongs to it.
        let others = || match *base {
            "CLUSTER" => in_environment(),
            _ if base.starts_with("PG_") => postgres::valid_without(base),
            _ if base.starts_with("INFLUX_") => influx::valid_without(base),
            _ if base.starts_with("OUT_") => kafka::valid_without(base),
            _ if steps::KEYS.iter().any(|key| base.starts_with(key)) => steps::valid_without(base),
            _ => without(base),
        };
        for value in *right {
            let sources = others().variable(&name, value);
            assert!(sources.load().is_ok(), "{name}={value:?}: {:?}", sources.load().err());
        }
        for value in *wrong {
            let mistake = others().variable(&name, value).mistake();
            assert_eq!(mistake.key, name, "{value:?}");
            let place = Place::Variable(name.clone());
            assert_eq!(mistake.at, Some((LayerKind::Environment, place)));
            assert!(mistake.accepted.starts_with(key.accepted), "{mistake}");
            assert!(!mistake.found.is_empty());
        }
    }
}

#[test]
fn a_table_name_may_contain_dataset_and_project() {
    let table = |name: &str| {
        bigquery(&without("BQ_TABLE").variable("BQ_TABLE", name).settings()).table.to_string()
    };
    assert_eq!(table("t"), "a-project.a_dataset.t");
    assert_eq!(table("d.t"), "a-project.d.t");
    assert_eq!(table("p.d.t"), "p.d.t");
    assert_eq!(table("example.com:p.d.t"), "example.com:p.d.t");
    let bare = without("WRITE__").variable("WRITE__PROD__LOCATION", "EU");
    let table = bigquery(&bare.variable("BQ_TABLE_DELIVERY", "p.d.t").settings()).table;
    assert_eq!(table.to_string(), "p.d.t");
}

#[test]
fn a_price_is_a_number_of_dollars() {
    let price = |text: &str| Sources::valid().variable("WRITE__PROD__PRICE_PER_GIB", text);
    assert_eq!(bigquery(&Sources::valid().settings()).price_per_gib, None);
    for (text, dollars) in [("0.04", 0.04), ("0", 0.0), ("100", 100.0), (".5", 0.5)] {
        assert_eq!(bigquery(&price(text).settings()).price_per_gib, Some(dollars), "{text}");
    }
    for text in ["-1", "100.1", "$0.04", "0,04", "1e1", "nan", "inf", "1.2.3", "."] {
        let mistakes = price(text).mistakes();
        assert_eq!(mistakes.len(), 1, "{text}");
        assert!(mistakes[0].accepted.starts_with("US dollars: a number from 0 to 100"), "{text}");
    }
}

#[test]
fn values_are_parsed() {
    let settings = Sources::valid()
        .env("IN_FLIGHT_BYTES_DELIVERY=2MiB\nBATCH_BYTES=512KiB\nBATCH_ROWS=5_000")
        .env("DEAD_LETTER='kafka:dead'\nSTART_FROM=latest\nROW_LAYOUT=envelope")
        .env("DELIVERY_GUARANTEE=at-least-once\nMANAGE_TABLE_DELIVERY=false")
        .env("WRITE__PROD__LOCATION='europe-west1'\nCONSUME__PROD__PROTECTED=true")
        .settings();
    assert_eq!(
        (settings.limits.in_flight_bytes, settings.limits.batch_bytes),
        (2 << 20, 512 << 10)
    );
    assert_eq!(settings.limits.batch_rows, 5_000);
    assert_eq!(settings.dead_letter, DeadLetterTarget::Kafka("dead".to_owned()));
    assert_eq!(settings.consume.start_from, StartFrom::Latest);
    assert_eq!(settings.write.layout, RowLayout::Envelope);
    assert_eq!(bigquery(&settings).guarantee, Guarantee::AtLeastOnce);
    assert!(settings.consume.protected && !settings.write.manage_table);
}

#[test]
fn a_batch_is_at_most_as_large_as_the_in_flight_limit() {
    let sources = Sources::valid().env("IN_FLIGHT_BYTES=1MiB\nBATCH_BYTES_DELIVERY=2MiB");
    let mistake = sources.mistake();
    assert_eq!(mistake.key, "BATCH_BYTES_DELIVERY");
    assert!(mistake.accepted.contains("1048576"), "{mistake}");
}

#[test]
fn an_endpoint_without_tls_is_on_this_machine() {
    let endpoint = |rest: &str, storage: &str| {
        Sources::valid()
            .variable("WRITE__PROD__ENDPOINT__REST", rest)
            .variable("WRITE__PROD__ENDPOINT__STORAGE", storage)
    };
    for url in [
        "https://bigquery.example.com",
        "https://10.0.0.1:443",
        "http://127.0.0.1:9050",
        "http://127.8.8.8",
        "http://localhost:9050",
        "http://[::1]:9050/",
    ] {
        let expected = url.trim_end_matches('/').to_owned();
        let custom = Endpoint::Custom { rest: expected.clone(), storage: expected, trusted: true };
        assert_eq!(bigquery(&endpoint(url, url).settings()).endpoint, custom);
    }
    for url in [
        "http://10.0.0.1:9050",
        "http://bigquery.example.com",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "ftp://localhost",
        "localhost:9050",
        "https://",
        "https://user:hunter2@host",
        "https://host/path",
        "https://host?query",
        "",
    ] {
        let mistake = endpoint(url, "https://host").mistake();
        assert_eq!(mistake.key, "WRITE__PROD__ENDPOINT__REST", "{url}");
        assert!(!mistake.to_string().contains("hunter2"), "{mistake}");
    }
    let half = Sources::valid().variable("WRITE__PROD__ENDPOINT__REST", "https://host").mistake();
    assert_eq!(half.key, "write.prod.endpoint.storage");
    if cfg!(feature = "local") {
        let mixed = endpoint("embedded", "https://host").mistake();
        assert!(mixed.accepted.contains("both"), "{mixed}");
    }
}

#[test]
fn servers_are_hosts_with_ports() {
    let key = "CONSUME__PROD__BOOTSTRAP_SERVERS";
    let servers = |text: &str| without(key).variable(key, text);
    for (text, expected) in [
        ("uat:9092", "uat:9092"),
        ("a:1, b:2", "a:1,b:2"),
        ("kafka_1.internal.example.com.:1", "kafka_1.internal.example.com.:1"),
        ("PLAINTEXT://a:1,b:2", "PLAINTEXT://a:1,b:2"),
        ("[::1]:9092", "[::1]:9092"),
    ] {
        let broker = servers(text).settings().consume.broker;
        assert_eq!(broker, Broker::Servers(expected.to_owned()));
    }
    for text in ["", ",", "a:1,", "a:0", "a:65536", "a:x", ":9092", "a b:1", "embeded:x"] {
        assert_eq!(servers(text).mistake().key, key, "{text}");
    }
    let long = format!("{}:1", "a".repeat(64));
    for (text, why) in [
        ("host", "host:port"),
        ("a:1,b", "host:port"),
        ("::1:9092", "in brackets"),
        ("[::x]:9092", "in brackets"),
        ("-a:1", "a host is"),
        ("a..b:1", "a host is"),
        (&long, "a host is"),
    ] {
        let mistake = servers(text).mistake();
        assert!(mistake.accepted.contains(why), "{text}: {mistake}");
    }
    // librdkafka leaves such servers out, with a line in the log.
    for (text, protocol, why) in [
        ("http://kafka:9092", "plaintext", "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"),
        ("kafka://a:1", "plaintext", "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"),
        ("b:1,SASL_SSL://a:1", "plaintext", "`security.protocol` is plaintext"),
        ("PLAINTEXT://a:1", "SASL_SSL", "`security.protocol` is sasl_ssl"),
    ] {
        let mistake = servers(text)
            .variable("CONSUME__PROD__PROPERTIES__SECURITY_PROTOCOL", protocol)
            .mistake();
        assert_eq!(mistake.key, key, "{text}");
        assert!(mistake.accepted.contains(why), "{text}: {mistake}");
    }
    assert_eq!(servers("SASL_SSL://a:1").mistake().key, key, "the default is plaintext");
    let same = servers("sasl_ssl://a:1")
        .variable("CONSUME__PROD__PROPERTIES__SECURITY_PROTOCOL", "SASL_SSL");
    assert_eq!(same.settings().consume.broker, Broker::Servers("sasl_ssl://a:1".to_owned()));
    let file =
        without(key).file("x.toml", "[consume.Prod]\nbootstrap_servers = [\"a:1\", \"b:2\"]");
    assert_eq!(file.settings().consume.broker, Broker::Servers("a:1,b:2".to_owned()));
}

#[test]
fn properties_have_the_names_that_librdkafka_knows() {
    let settings = Sources::valid()
        .file("x.toml", "[consume.prod.properties]\n\"security.protocol\" = \"sasl_ssl\"\nsasl.username = \"u\"\nfetch.min.bytes = 5\nlog_level = 3")
        .variable("CONSUME__PROD__PROPERTIES__SASL_PASSWORD", " p a$s\n")
        .variable("CONSUME__prod__PROPERTIES__SASL_USERNAME", "v")
        .env("consume.prod.properties.sasl.mechanism='SCRAM-SHA-512'")
        .settings();
    let properties: Vec<(&str, &str)> = settings
        .consume
        .properties
        .iter()
        .map(|(name, value)| (name.as_str(), value.expose()))
        .collect();
    let expected = [
        ("fetch.min.bytes", "5"),
        ("log_level", "3"),
        ("sasl.mechanism", "SCRAM-SHA-512"),
        ("sasl.password", " p a$s"),
        ("sasl.username", "v"),
        ("security.protocol", "sasl_ssl"),
    ];
    assert_eq!(properties, expected);
}

#[test]
fn properties_that_the_guarantees_depend_on_are_refused_with_the_reason() {
    for (property, reason) in [
        ("enable.auto.commit", "durable"),
        ("enable.auto.offset.store", "durable"),
        ("group.id", "GROUP_ID"),
        ("bootstrap.servers", "bootstrap_servers"),
        ("partition.assignment.strategy", "cooperative-sticky"),
        ("group.protocol", "classic"),
        ("group.instance.id", "rolling update"),
        ("isolation.level", "committed"),
        ("transactional.id", "transactions"),
        ("enable.partition.eof", "--until-caught-up"),
        ("auto.offset.reset", "START_FROM"),
        ("plugin.library.paths", "code"),
    ] {
        for (written, sources) in [
            (
                format!("CONSUME__PROD__PROPERTIES__{}", property.to_uppercase().replace('.', "_")),
                Sources::valid(),
            ),
            (format!("consume.prod.properties.{property}"), Sources::valid()),
        ] {
            let sources = if written.starts_with('C') {
                sources.variable(&written, "true")
            } else {
                let line = format!("[consume.prod.properties]\n\"{property}\" = \"true\"");
                sources.file("x.toml", &line)
            };
            let mistake = sources.mistake();
            assert_eq!(mistake.key, written);
            assert!(mistake.accepted.contains(reason), "{mistake}");
        }
    }
}

#[test]
fn properties_that_librdkafka_rejects_are_reported() {
    let mistakes = Sources::valid()
        .variable("CONSUME__PROD__PROPERTIES__SASL_PASWORD", "hunter2")
        .variable("CONSUME__PROD__PROPERTIES__FETCH_MIN_BYTES", "many")
        .variable("CONSUME__PROD__PROPERTIES__REBALANCE_CB", "x")
        .mistakes();
    let report = Mistakes { domain: "DELIVERY".to_owned(), list: mistakes, note: None }.to_string();
    assert!(report.contains("3 mistakes"), "{report}");
    assert!(report.contains("knows no `sasl.pasword`"), "{report}");
    assert!(report.contains("fetch.min.bytes"), "{report}");
    assert!(!report.contains("hunter2"), "{report}");
}

#[test]
fn embedded_broker_and_bigquery_can_be_chosen() {
    let sources = Sources::valid()
        .variable("CONSUME__PROD__BOOTSTRAP_SERVERS", "embedded")
        .variable("WRITE__PROD__ENDPOINT__REST", "embedded")
        .variable("WRITE__PROD__ENDPOINT__STORAGE", "embedded");
    if cfg!(feature = "local") {
        let settings = sources.settings();
        assert_eq!(settings.consume.broker, Broker::Embedded);
        assert_eq!(bigquery(&settings).endpoint, Endpoint::Embedded);
    } else {
        let mistakes = sources.mistakes();
        assert_eq!(mistakes.len(), 3, "{mistakes:#?}");
        assert!(mistakes.iter().all(|mistake| mistake.accepted.contains("`local`")));
    }
}

#[test]
fn a_domain_name_is_made_of_letters_digits_and_underscores() {
    for (given, name) in
        [("delivery", "DELIVERY"), ("DELIVERY_EVENTS2", "DELIVERY_EVENTS2"), ("Run", "RUN")]
    {
        assert_eq!(keys::domain(given).as_deref(), Ok(name));
    }
    for given in ["", "a-b", "_A", "A_", "A__B", "1A", "Ä", "a b", "a.b", "../x"] {
        let accepted = keys::domain(given).expect_err(given);
        assert!(accepted.to_string().contains("hyphens"), "{accepted}");
        let all = load(given, &Inputs::at(Path::new("/nowhere"))).expect_err(given);
        assert_eq!(all.list.len(), 1);
    }
}

fn names() -> impl Strategy<Value = Vec<String>> {
    vec("[A-Za-z][A-Za-z0-9_.-]{0,20}", 0..8)
}

fn distinct(names: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for name in names {
        if !kept.contains(name) {
            kept.push(name.clone());
        }
    }
    kept
}

proptest! {
    /// All forms of a list have the same value, from every kind of source.
    #[test]
    fn ignored_events_are_the_same_in_every_form(names in names()) {
        let once = serde_json::to_string(&names).expect("a list");
        let twice = serde_json::to_string(&once).expect("a string");
        for form in [&once, &twice, &names.join(","), &names.join(" , ")] {
            prop_assert_eq!(event_types(form).ok(), Some(distinct(&names)), "{}", form);
            let quoted = serde_json::to_string(form).expect("a string");
            for sources in [
                Sources::valid().env(&format!("IGNORE_EVENTS_DELIVERY='{form}'")),
                Sources::valid().variable("IGNORE_EVENTS", form),
                Sources::valid().file("x.toml", &format!("IGNORE_EVENTS_DELIVERY = {quoted}")),
                Sources::valid().file("x.yaml", &format!("IGNORE_EVENTS: {quoted}")),
                Sources::valid().file("x.toml", &format!("IGNORE_EVENTS = {once}")),
                Sources::valid().file("x.yaml", &format!("IGNORE_EVENTS_DELIVERY: {once}")),
            ] {
                let settings = sources.load();
                prop_assert!(settings.is_ok(), "{}", settings.unwrap_err());
                prop_assert_eq!(settings.unwrap().settings.contract.ignore_events, distinct(&names));
            }
        }
    }

    /// Any name can be written in the two JSON forms.
    #[test]
    fn any_names_can_be_written_as_json(names in vec(".{1,12}", 0..6)) {
        let once = serde_json::to_string(&names).expect("a list");
        let twice = serde_json::to_string(&once).expect("a string");
        prop_assert_eq!(event_types(&once).ok(), Some(distinct(&names)));
        prop_assert_eq!(event_types(&twice).ok(), Some(distinct(&names)));
    }

    #[test]
    fn any_text_is_a_list_of_event_types_or_a_mistake(text in any::<String>()) {
        if let Ok(names) = event_types(&text) {
            prop_assert!(names.iter().all(|name| !name.is_empty()));
        }
    }
}
