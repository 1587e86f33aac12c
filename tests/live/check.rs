//! `check` against real peers: what it finds of them, that one that is away hides no other, and that it
//! changes nothing.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::{Value, json};

use crate::postgres::{catch_up, contract, publish};
use crate::support::bigquery::EmbeddedBigQuery;
use crate::support::domain::{Domain, PARTITIONS, TABLE};
use crate::support::influx::Influx;
use crate::support::kafka::{Kafka, PASSWORD, USER, shared};
use crate::support::postgres::Postgres;

/// The longest that a check may take, on busy cores.
const WITHIN: Duration = Duration::from_secs(45);

/// What `check --json` says, and its exit code.
struct Checked {
    code: Option<i32>,
    found: Value,
    output: String,
}

fn check(domain: &Domain, arguments: &[&str], variables: &[(&str, &str)]) -> Checked {
    let arguments = [&["check", "DELIVERY", "--json"], arguments].concat();
    let mut run = domain.run(&arguments, variables);
    let code = run.wait(WITHIN).code();
    let output = run.output();
    let line = output.lines().find(|line| line.starts_with("{\"domain\""));
    let line = line.unwrap_or_else(|| panic!("no JSON in\n{output}"));
    let found = serde_json::from_str(line).expect("JSON");
    for secret in [PASSWORD, crate::support::postgres::PASSWORD] {
        assert!(!output.contains(secret), "a secret: {output}");
    }
    Checked { code, found, output }
}

impl Checked {
    fn finding(&self, part: &str) -> &Value {
        let all = self.found["findings"].as_array().expect("findings").iter();
        let of: Vec<&Value> = all.filter(|finding| finding["part"] == part).collect();
        let [finding] = of[..] else { panic!("not one {part}: {}", self.found) };
        finding
    }

    /// The parts that are not as they should be, with their verdicts.
    fn bad(&self) -> Vec<(String, String)> {
        let all = self.found["findings"].as_array().expect("findings").iter();
        let text = |finding: &Value, name: &str| finding[name].as_str().expect("text").to_owned();
        let pair = |finding| (text(finding, "part"), text(finding, "verdict"));
        all.map(pair).filter(|(_, verdict)| verdict != "ok").collect()
    }

    fn expect(&self, code: i32, bad: &[(&str, &str)]) {
        let found = self.bad();
        let found: Vec<(&str, &str)> =
            found.iter().map(|(part, verdict)| (part.as_str(), verdict.as_str())).collect();
        assert_eq!((self.code, &found[..]), (Some(code), bad), "{}", self.output);
    }

    /// All that is said of a part.
    fn said(&self, part: &str) -> String {
        self.finding(part).to_string()
    }
}

fn events(count: usize) -> Vec<String> {
    (0..count)
        .map(|id| json!({ "event_type": "Small", "event_id": id.to_string() }).to_string())
        .collect()
}

/// What a check must leave as it is in Kafka: topics, ends, offsets, members.
fn kafka_state(kafka: &Kafka, domain: &Domain) -> (Vec<i64>, Vec<i64>, bool) {
    let (group, topic) = (&domain.group, &domain.topic);
    let known = kafka.members(group).is_some();
    (kafka.ends(topic, PARTITIONS), kafka.committed(group, topic, PARTITIONS), known)
}

fn topics(kafka: &Kafka) -> Vec<String> {
    let client: BaseConsumer = kafka.client().create().expect("a client");
    let all = client.fetch_metadata(None, Duration::from_secs(30)).expect("topics");
    all.topics().iter().map(|topic| topic.name().to_owned()).collect()
}

/// The tables of BigQuery with their columns, and all rows.
fn bigquery_state(bigquery: &EmbeddedBigQuery) -> String {
    let store = rusqlite::Connection::open(bigquery.store()).expect("the store opens");
    let mut tables = store
        .prepare(
            "SELECT name, coalesce(sql, '') FROM sqlite_master WHERE type = 'table' ORDER BY name",
        )
        .expect("valid");
    let tables: Vec<(String, String)> = tables
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("tables")
        .collect::<Result<_, _>>()
        .expect("tables");
    let count = |name: &str| -> i64 {
        store
            .query_row(&format!("SELECT count(*) FROM \"{name}\""), [], |row| row.get(0))
            .expect("a count")
    };
    tables.iter().map(|(name, sql)| format!("{name} {} {sql}\n", count(name))).collect()
}

#[test]
fn a_table_of_bigquery_is_compared_and_stays_as_it_is() {
    let kafka = shared();
    let bigquery = EmbeddedBigQuery::start("check", "", 1);
    let name = "check-bigquery";
    let domain = Domain::new(name, kafka, &bigquery.urls());
    domain.set_contract(&contract(name, &json!({ "amount": { "type": "number" } })));
    publish(kafka, name, &events(50));
    let unseen = (bigquery_state(&bigquery), kafka_state(kafka, &domain));
    let new = check(&domain, &[], &[]);
    new.expect(2, &[("group", "note"), ("table", "would alter"), ("dead letters", "would alter")]);
    assert!(new.said("table").contains("create it with"), "{}", new.said("table"));
    assert!(new.said("table").contains("day partitions by _ingested_at"), "{}", new.said("table"));
    assert_eq!(new.finding("samples")["facts"]["rows"], 50);
    assert_eq!(new.finding("group")["facts"]["lag"], 50);
    assert_eq!((bigquery_state(&bigquery), kafka_state(kafka, &domain)), unseen);
    assert_eq!(check(&domain, &["--accept-changes"], &[]).code, Some(0));

    catch_up(&domain, 0);
    let written = (bigquery_state(&bigquery), kafka_state(kafka, &domain));
    let clean = check(&domain, &[], &[]);
    clean.expect(0, &[]);
    assert_eq!(clean.finding("topic")["facts"]["partitions"], PARTITIONS);
    assert!(clean.said("topic").contains("records are kept for 7 days"), "{}", clean.said("topic"));
    assert_eq!(clean.finding("group")["facts"]["lag"], 0);

    // A field more: the exact change, and the samples that lack it are rows.
    let more = json!({ "amount": { "type": "number" }, "note": { "type": "string" },
        "tags": { "type": "array", "items": { "type": "string" } } });
    domain.set_contract(&contract(name, &more));
    let added = check(&domain, &[], &[]);
    added.expect(2, &[("table", "would alter")]);
    let changes = &added.finding("table")["facts"]["changes"];
    assert_eq!(changes, &json!(["add note: STRING", "add tags: ARRAY<STRING>"]));
    let kept = check(&domain, &[], &[("MANAGE_TABLE_DELIVERY", "false")]);
    kept.expect(0, &[("table", "note")]);
    assert!(kept.said("table").contains("the table lacks note, tags"), "{}", kept.said("table"));

    // Another type: why a run would stop.
    domain.set_contract(&contract(name, &json!({ "amount": { "type": "string" } })));
    let refused = check(&domain, &[], &[]);
    refused.expect(1, &[("table", "would fail")]);
    assert!(
        refused.said("table").contains("amount is FLOAT, the contract needs STRING"),
        "{}",
        refused.said("table")
    );

    // Records that the contract rejects, each reason with a place.
    domain.set_contract(&contract(name, &json!({ "amount": { "type": "number" } })));
    let bad = [
        r#"{"event_type":"Small","amount":"much"}"#.to_owned(),
        r#"{"event_type":"Large"}"#.to_owned(),
        "{".to_owned(),
    ];
    publish(kafka, name, &bad);
    let letters = check(&domain, &["--sample", "5"], &[]);
    letters.expect(2, &[("samples", "dead letters")]);
    let samples = &letters.finding("samples")["facts"];
    assert_eq!((&samples["records"], &samples["rows"]), (&json!(5), &json!(2)));
    let reasons: Vec<(&str, i64)> = samples["dead_letters"]
        .as_array()
        .expect("letters")
        .iter()
        .map(|one| {
            let offset = one["example"]["offset"].as_i64().expect("an offset");
            (one["reason"].as_str().expect("a reason"), offset)
        })
        .collect();
    let expected = [("invalid_json", 52), ("unknown_event_type", 51), ("wrong_type", 50)];
    assert_eq!(reasons, expected, "{samples}");
    let after = (bigquery_state(&bigquery), kafka_state(kafka, &domain));
    assert_eq!(after.0, written.0);
    assert_eq!(after.1.1, written.1.1, "committed offsets");

    // What was not read is gone: the group is behind the beginning.
    kafka.delete_records(name, &[52, 0, 0, 0]);
    let behind = check(&domain, &["--sample", "0"], &[]);
    behind.expect(1, &[("group", "would fail")]);
    assert!(
        behind.said("group").contains("begins at offset 52, after the committed offset 50"),
        "{}",
        behind.said("group")
    );
}

#[test]
fn one_peer_that_is_away_hides_no_other() {
    let kafka = shared();
    let mut bigquery = EmbeddedBigQuery::start("check-away", "", 1);
    let name = "check-away";
    let domain = Domain::new(name, kafka, &bigquery.urls());
    domain.set_contract(&contract(name, &json!({})));
    publish(kafka, name, &events(5));
    catch_up(&domain, 0);
    let away = [("CONSUME__LIVE__BOOTSTRAP_SERVERS", "127.0.0.1:1")];
    let no_broker = check(&domain, &[], &away);
    no_broker.expect(
        1,
        &[
            ("brokers", "would fail"),
            ("topic", "not seen"),
            ("group", "not seen"),
            ("samples", "not seen"),
        ],
    );
    assert_eq!(no_broker.finding("table")["verdict"], "ok");
    let no_topic = check(&domain, &[], &[("IN_TOPIC_DELIVERY", "check-nowhere")]);
    no_topic.expect(1, &[("topic", "would fail"), ("group", "not seen"), ("samples", "not seen")]);
    assert!(no_topic.said("topic").contains("there is no topic check-nowhere"));
    // Connections stay open, and nothing is answered.
    bigquery.freeze();
    let began = Instant::now();
    let frozen = check(&domain, &[], &[]);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    frozen.expect(
        1,
        &[("bigquery", "would fail"), ("table", "not seen"), ("dead letters", "not seen")],
    );
    assert_eq!(frozen.finding("samples")["facts"]["rows"], 5);
    bigquery.thaw();
    bigquery.kill();
    let gone = check(&domain, &[], &[]);
    assert_eq!((gone.code, &gone.finding("group")["verdict"]), (Some(1), &json!("ok")));
}

/// The user may do nothing; the broker would create a topic for whoever asks for one with the right to.
#[test]
fn a_principal_without_rights_is_told_which_and_no_topic_is_created() {
    let (kafka, guarded) = Kafka::start_guarded("check-guarded");
    let bigquery = EmbeddedBigQuery::start("check-guarded", "", 1);
    let name = "check-guarded";
    let domain = Domain::new(name, &kafka, &bigquery.urls());
    domain.set_contract(&contract(name, &json!({})));
    publish(&kafka, name, &events(5));
    let servers = format!("127.0.0.1:{guarded}");
    let login = [
        ("CONSUME__LIVE__BOOTSTRAP_SERVERS", servers.as_str()),
        ("CONSUME__LIVE__PROPERTIES__SECURITY_PROTOCOL", "SASL_PLAINTEXT"),
        ("CONSUME__LIVE__PROPERTIES__SASL_MECHANISM", "PLAIN"),
        ("CONSUME__LIVE__PROPERTIES__SASL_USERNAME", USER),
    ];
    let with = |password: &'static str| {
        let mut all = login.to_vec();
        all.push(("CONSUME__LIVE__PROPERTIES__SASL_PASSWORD", password));
        check(&domain, &["--accept-changes"], &all)
    };
    let refused = with(PASSWORD);
    assert_eq!(refused.code, Some(1), "{}", refused.output);
    assert!(refused.said("topic").contains("may not see the topic"), "{}", refused.said("topic"));
    assert_eq!(refused.finding("table")["verdict"], "would alter");
    let wrong = with("another");
    assert_eq!(wrong.code, Some(1), "{}", wrong.output);
    let said = wrong.said("brokers").to_lowercase();
    assert!(said.contains("authentication"), "{said}");
    // As the superuser, who would create a topic by asking for it as a producer does.
    let before = topics(&kafka);
    let missing =
        [("IN_TOPIC_DELIVERY", "check-created"), ("DEAD_LETTER_DELIVERY", "kafka:check-letters")];
    let asked = check(&domain, &[], &missing);
    assert!(asked.said("topic").contains("there is no topic check-created"), "{}", asked.output);
    assert!(asked.said("dead letters").contains("no topic check-letters"), "{}", asked.output);
    let without_internal = |topics: Vec<String>| {
        topics.into_iter().filter(|topic| !topic.starts_with("__")).collect::<Vec<_>>()
    };
    assert_eq!(without_internal(topics(&kafka)), without_internal(before));
    // Brokers that hold their connections and answer nothing.
    kafka.freeze();
    let began = Instant::now();
    let silent = check(&domain, &["--accept-changes"], &[]);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert_eq!(silent.code, Some(1), "{}", silent.output);
    assert_eq!(silent.finding("brokers")["verdict"], "would fail");
    assert_eq!(silent.finding("table")["verdict"], "would alter");
    kafka.thaw();
}

#[test]
fn tables_of_postgresql_are_compared_and_stay_as_they_are() {
    let kafka = shared();
    let server = Postgres::start("check");
    let name = "check-postgres";
    let domain = Domain::on_postgres(name, kafka, &server.section());
    domain.set_contract(&contract(name, &json!({ "amount": { "type": "number" } })));
    publish(kafka, name, &events(20));
    let state = || {
        let columns = "SELECT string_agg(attrelid::regclass || '.' || attname, ',' ORDER BY attrelid, attnum) \
             FROM pg_attribute WHERE attrelid IN (SELECT oid FROM pg_class WHERE relkind = 'r' \
             AND relnamespace = 'public'::regnamespace) AND NOT attisdropped";
        let columns = server.query(columns);
        let stored = server.try_query("SELECT * FROM generic_consumer_offsets ORDER BY 3");
        (columns, stored.unwrap_or_default(), kafka_state(kafka, &domain))
    };
    let before = state();
    let new = check(&domain, &[], &[]);
    new.expect(
        2,
        &[
            ("group", "note"),
            ("table", "would alter"),
            ("dead letters", "would alter"),
            ("offsets", "would alter"),
        ],
    );
    assert_eq!(state(), before);
    catch_up(&domain, 0);
    let written = state();
    let clean = check(&domain, &[], &[]);
    clean.expect(0, &[]);
    let group = &clean.finding("group")["facts"];
    assert_eq!(
        (&group["offsets_kept_by"], &group["lag"]),
        (&json!("generic_consumer_offsets"), &json!(0))
    );
    // The stored offsets count, whatever Kafka has.
    kafka.delete_group(&domain.group);
    check(&domain, &[], &[]).expect(0, &[]);

    let more = json!({ "amount": { "type": "number" }, "note": { "type": "string" } });
    domain.set_contract(&contract(name, &more));
    let added = check(&domain, &[], &[]);
    added.expect(2, &[("table", "would alter")]);
    assert_eq!(added.finding("table")["facts"]["changes"], json!(["add note: text"]));
    server.query(&format!("ALTER TABLE {TABLE} ADD COLUMN other bigint NOT NULL DEFAULT 1"));
    server.query(&format!("ALTER TABLE {TABLE} ALTER COLUMN other DROP DEFAULT"));
    let refused = check(&domain, &[], &[]);
    refused.expect(1, &[("table", "would fail")]);
    assert!(
        refused.said("table").contains("column other is NOT NULL"),
        "{}",
        refused.said("table")
    );
    server.query(&format!("ALTER TABLE {TABLE} DROP COLUMN other"));
    // A role without rights.
    server.query(&format!(
        "ALTER TABLE {TABLE} OWNER TO postgres; REVOKE ALL ON {TABLE} FROM consumer"
    ));
    let lacking = check(&domain, &[], &[]);
    lacking.expect(1, &[("table", "would fail")]);
    let said = lacking.said("table");
    assert!(said.contains(&format!("INSERT on the table public.{TABLE}")), "{said}");
    assert!(said.contains("the ownership"), "{said}");
    assert_eq!((state().0, state().1), (written.0, written.1));
}

#[test]
fn a_measurement_of_influxdb_is_compared_and_stays_as_it_is() {
    let kafka = shared();
    let server = Influx::start("check");
    let name = "check-influx";
    let domain = Domain::on_influx(name, kafka, &server.section_v1());
    domain.set_contract(&contract(name, &json!({ "amount": { "type": "number" } })));
    domain.set("INFLUX_TAGS_DELIVERY", "[]");
    let event = r#"{"event_type":"Small","event_id":"a","amount":1.5}"#.to_owned();
    publish(kafka, name, &[event]);
    let before = (server.query("SHOW SERIES"), kafka_state(kafka, &domain));
    check(&domain, &[], &[]).expect(0, &[("group", "note")]);
    assert_eq!((server.query("SHOW SERIES"), kafka_state(kafka, &domain)), before);
    catch_up(&domain, 0);
    let written = (server.query("SHOW SERIES"), server.query(&format!("SELECT * FROM {TABLE}")));
    let clean = check(&domain, &[], &[]);
    clean.expect(0, &[]);
    assert!(clean.said("measurement").contains("types of its fields"), "{}", clean.output);
    domain.set_contract(&contract(name, &json!({ "amount": { "type": "string" } })));
    let conflict = check(&domain, &["--sample", "0"], &[]);
    conflict.expect(2, &[("measurement", "dead letters")]);
    assert!(
        conflict.said("measurement").contains("amount is float, the contract needs string"),
        "{}",
        conflict.said("measurement")
    );
    assert_eq!(
        (server.query("SHOW SERIES"), server.query(&format!("SELECT * FROM {TABLE}"))),
        written
    );
    domain.set_contract(&contract(name, &json!({ "amount": { "type": "number" } })));
    let nowhere = check(&domain, &[], &[("WRITE__LIVE__INFLUXDB__DATABASE", "nowhere")]);
    nowhere.expect(1, &[("influxdb", "would fail"), ("measurement", "not seen")]);
}

#[test]
fn topics_of_kafka_are_looked_at_and_no_partition_is_taken_over() {
    let kafka = Kafka::start("check-out");
    let name = "check-kafka";
    let domain = Domain::on_kafka(name, &kafka, &kafka);
    domain.set_contract(&contract(name, &json!({})));
    publish(&kafka, name, &events(20));
    let out = format!("{name}-out");
    catch_up(&domain, 0);
    let state = || {
        let transactions = kafka.ends("__transaction_state", 4);
        (kafka_state(&kafka, &domain), kafka.ends(&out, PARTITIONS), transactions, topics(&kafka))
    };
    let written = state();
    let clean = check(&domain, &[], &[]);
    clean.expect(0, &[]);
    assert_eq!(state(), written);
    assert!(clean.said("kafka").contains("the cluster that is read"), "{}", clean.said("kafka"));
    assert_eq!(clean.finding("group")["facts"]["lag"], 0);
    // While an instance runs and owns the transactional ids.
    let mut instance = domain.start_ready();
    check(&domain, &[], &[]).expect(0, &[]);
    instance.assert_running();
    instance.stop();
    let before = state();
    let missing = check(&domain, &[], &[("OUT_TOPIC_DELIVERY", "check-not-there")]);
    missing.expect(1, &[("out topic", "would fail"), ("dead letters", "would fail")]);
    assert!(missing.said("out topic").contains("there is no topic check-not-there"));
    assert_eq!(state(), before);
}

#[test]
fn the_offsets_in_another_cluster_count() {
    let (kafka, out) = (shared(), Kafka::start("check-other"));
    let name = "check-other";
    let domain = Domain::on_kafka(name, kafka, &out);
    domain.set_contract(&contract(name, &json!({})));
    publish(kafka, name, &events(20));
    let new = check(&domain, &[], &[]);
    new.expect(0, &[("group", "note")]);
    assert!(new.said("kafka").contains("another cluster"), "{}", new.said("kafka"));
    catch_up(&domain, 0);
    kafka.delete_group(&domain.group);
    let clean = check(&domain, &[], &[]);
    clean.expect(0, &[]);
    assert_eq!(clean.finding("group")["facts"]["lag"], 0);
}
