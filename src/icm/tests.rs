//! What becomes of whole files.

use super::*;
use crate::config::{Inputs, load};

/// The README of CCX's data pipeline describes such a file: keys that name variables.
pub const OLD: &str = r#"
plugins:
  default_component_enabled: true
  packages: [ccx_ocp_core.specs.must_gather_archive, ccx_rules_ocp.external.rules]
configs:
  - name: ccx_rules_ocp.external.rules.old
    enabled: false
service:
  extract_timeout:
  extract_tmp_dir:
  format: insights.formats._json.JsonFormat
  target_components: []
  consumer:
    name: controller.consumer.Consumer
    kwargs:
      incoming_topic: platform.upload.buckit
      incoming_topic_env: CDP_INCOMING_TOPIC
      group_id: ccx-data-pipeline
      group_id_env: CDP_GROUP_ID
      bootstrap_servers: ["kafka1:9092", "kafka2:9092"]
      bootstrap_server_env: CDP_KAFKA
      retry_backoff_ms: 1000
  downloader:
    name: controller.http_downloader.HTTPDownloader
  publisher:
    name: controller.publisher.Publisher
    kwargs:
      outgoing_topic: ccx.ocp.results
      outgoing_topic_env: CDP_OUTGOING_TOPIC
      bootstrap_servers: "kafka1:9092"
      bootstrap_server_env: CDP_KAFKA
  watchers:
    - name: controller.stats_watcher.StatsWatcher
"#;

/// Arguments in a table of their own, secrets, and classes that nobody knows.
pub const NEW: &str = r#"
broker: &broker
  bootstrap.servers: ${KAFKA:kafka:9092}
  security.protocol: sasl_ssl
  sasl.mechanisms: SCRAM-SHA-512
  sasl.username: $KAFKA_USER
  sasl.password: ${KAFKA_PASSWORD}
  ssl.key.password: hunter2
service:
  extract_timeout: 60
  unpacked_archive_size_limit: 500MB
  format: our.formats.Html
  consumer:
    name: ccx_messaging.consumers.kafka_consumer.KafkaConsumer
    kwargs:
      incoming_topic: ${IN}
      platform_service: openshift
      max_record_age: 7200
      processing_timeout_s: 0
      dead_letter_queue_topic: dead
      bootstrap.servers: other:9092
      kafka_broker_config: *broker
      group.id: "a group"
      auto.offset.reset: largest
      enable.auto.commit: false
      isolation.level: read_committed
      session.timeout.ms: soon
      something_else: 5
  publisher:
    name: ccx_messaging.publishers.rule_processing_publisher.RuleProcessingPublisher
    args: [1]
    kwargs:
      outgoing_topic: ${OUT:}
      kafka_broker_config: *broker
      compression: gzip
  downloader:
    name: ccx_messaging.downloaders.http_downloader.HTTPDownloader
    kwargs: {max_archive_size: 100Mi, allow_unsafe_links: "${UNSAFE:false}"}
  engine:
    name: ccx_messaging.engines.s3_upload_engine.S3UploadEngine
    kwargs: {secret_key: hunter3}
  watchers:
    - name: ccx_messaging.watchers.payload_tracker_watcher.PayloadTrackerWatcher
      kwargs: {topic: platform.payload-status, kafka_broker_config: *broker, linger.ms: 5}
  unknown: {deeper: [1, {x: 2}]}
"#;

fn of(text: &str) -> Import {
    import(text, "CCX", "config.yaml").unwrap_or_else(|mistakes| panic!("{mistakes:#?}"))
}

/// What became of an entry.
fn outcome<'a>(import: &'a Import, name: &str) -> &'a Outcome {
    let line = import.entries.iter().find(|line| line.name == name);
    let line = line.unwrap_or_else(|| panic!("{name} is not among {:#?}", import.entries));
    &line.outcome
}

fn key(name: &str) -> Outcome {
    Outcome::Key(name.to_owned())
}

fn to_do(import: &Import, name: &str) -> String {
    match outcome(import, name) {
        Outcome::ToDo(what) => what.clone(),
        other => panic!("{name}: {other:?}"),
    }
}

/// The written files, loaded as `config` loads them.
fn loaded(import: &Import, variables: &[(&str, &str)]) -> Result<config::Loaded, config::Mistakes> {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("config")).expect("made");
    std::fs::write(folder.path().join(".env"), &import.env_file).expect("written");
    std::fs::write(folder.path().join("config/environments.toml"), &import.toml).expect("written");
    let inputs = Inputs::at(folder.path());
    load(
        "CCX",
        &variables.iter().fold(inputs, |inputs, (name, value)| inputs.variable(name, value)),
    )
}

use crate::config;

#[test]
fn keys_that_name_variables_stay_such_keys() {
    let import = of(OLD);
    for (entry, to) in [
        ("incoming_topic", "IN_TOPIC_CCX"),
        ("incoming_topic_env", "IN_TOPIC_CCX_env"),
        ("group_id", "GROUP_ID_CCX"),
        ("group_id_env", "GROUP_ID_CCX_env"),
        ("bootstrap_servers[0]", "consume.ccx.bootstrap_servers"),
        ("bootstrap_servers[1]", "consume.ccx.bootstrap_servers"),
        ("bootstrap_server_env", "consume.ccx.bootstrap_servers_env"),
        ("retry_backoff_ms", "consume.ccx.properties.retry.backoff.ms"),
    ] {
        assert_eq!(outcome(&import, &format!("service.consumer.kwargs.{entry}")), &key(to));
    }
    assert_eq!(outcome(&import, "service.publisher.name"), &key("SINK_CCX"));
    assert_eq!(outcome(&import, "service.downloader.name"), &key("FETCH_CCX, FETCH_ALLOW_CCX"));
    let rules = to_do(&import, "plugins.packages[1]");
    assert!(rules.contains("ccx_rules_ocp.external.rules"), "{rules}");
    assert!(to_do(&import, "configs[0].enabled").contains("left out there"));
    assert_eq!(outcome(&import, "service.extract_timeout"), &Outcome::left_out("it is empty"));
    let settings = loaded(&import, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}")).settings;
    let servers = |settings: &config::Settings| match &settings.consume.broker {
        config::Broker::Servers(servers) => servers.clone(),
        config::Broker::Embedded => panic!("embedded"),
    };
    assert_eq!(servers(&settings), "kafka1:9092,kafka2:9092");
    assert_eq!(settings.contract.topic.as_deref(), Some("platform.upload.buckit"));
    assert_eq!(settings.consume.start_from, config::StartFrom::Latest);
    let variables = [("CDP_INCOMING_TOPIC", "in"), ("CDP_KAFKA", "k:1"), ("CDP_GROUP_ID", "g")];
    let settings = loaded(&import, &variables).expect("valid").settings;
    assert_eq!((settings.consume.group_id.as_str(), servers(&settings).as_str()), ("g", "k:1"));
    assert_eq!(settings.contract.topic.as_deref(), Some("in"));
}

#[test]
fn every_entry_has_an_outcome_and_secrets_are_not_written() {
    let import = of(NEW);
    let consumer = |name: &str| format!("service.consumer.kwargs.{name}");
    let shared = consumer("kafka_broker_config.\"sasl.password\"");
    let property = key("consume.ccx.properties.sasl.password");
    assert_eq!(outcome(&import, &shared), &property);
    let secret = to_do(&import, &consumer("kafka_broker_config.\"ssl.key.password\""));
    assert!(secret.ends_with("set CONSUME__CCX__PROPERTIES__SSL_KEY_PASSWORD"), "{secret}");
    assert_eq!(
        outcome(&import, &consumer("\"bootstrap.servers\"")),
        &Outcome::left_out("kafka_broker_config has it too, and wins")
    );
    for (name, part) in [
        ("broker.\"security.protocol\"", "does not read `broker`"),
        ("service.unpacked_archive_size_limit", "OBJECT_UNPACKED_BYTES_CCX: found `500MB`"),
        ("service.format", "our.formats.Html"),
        ("service.consumer.kwargs.max_record_age", "all are read"),
        ("service.consumer.kwargs.\"group.id\"", "GROUP_ID_CCX: found `a group`"),
        (
            "service.consumer.kwargs.\"session.timeout.ms\"",
            "consume.ccx.properties.session.timeout.ms",
        ),
        ("service.consumer.kwargs.something_else", "KafkaConsumer"),
        ("service.publisher.args[0]", "RuleProcessingPublisher"),
        ("service.publisher.kwargs.compression", "compression.type"),
        ("service.engine.name", "S3UploadEngine"),
        ("service.engine.kwargs.secret_key", "S3UploadEngine"),
        ("service.watchers[0].kwargs.\"linger.ms\"", "the consumer's brokers"),
        ("service.unknown.deeper[1].x", "does not read `unknown`"),
        ("service.downloader.kwargs.allow_unsafe_links", "FETCH_ALLOW_CCX"),
    ] {
        let what = to_do(&import, name);
        assert!(what.contains(part), "{name}: {what}");
    }
    assert!(matches!(
        outcome(&import, &consumer("\"isolation.level\"")), Outcome::LeftOut(why) if why.contains("aborted")
    ));
    for line in &import.entries {
        if let Outcome::ToDo(what) = &line.outcome {
            let comment = format!("\n# {}: {what}\n", line.name);
            assert!(import.env_file.contains(&comment), "{comment}{}", import.env_file);
        }
    }
    let page = format!("{import:?}");
    assert!(!page.contains("hunter"), "{page}");
    assert!(import.added.iter().any(|line| line.name == "GROUP_ID_CCX"), "{:#?}", import.added);
    let variables = [
        ("IN", "in"),
        ("OUT", "out"),
        ("KAFKA_USER", "me"),
        ("KAFKA_PASSWORD", "hunter2"),
        ("GROUP_ID_CCX", "g"),
        ("FETCH_ALLOW_CCX", "https://a.example"),
    ];
    let settings = loaded(&import, &variables).unwrap_or_else(|it| panic!("{it}")).settings;
    assert_eq!(settings.consume.properties["sasl.username"].expose(), "me");
    let filter = settings.contract.filter.expect("a filter").expression;
    assert_eq!(filter, "headers.?service.orValue(\"\") == \"openshift\"");
    let steps = settings.steps.expect("rules");
    assert_eq!(steps.fetch.expect("fetch").bytes, 100 << 20);
    let tracker = steps.tracker.expect("a payload tracker");
    assert_eq!(
        (tracker.topic.as_str(), tracker.service.as_str(), tracker.org.expect("a pointer").len()),
        ("platform.payload-status", "ccx-data-pipeline", 4)
    );
    let broker = "service.watchers[0].kwargs.kafka_broker_config.\"sasl.username\"";
    assert!(matches!(outcome(&import, broker), Outcome::LeftOut(_)));
}

/// Whatever the program would not take is a mistake of a key that a person was told about.
#[test]
fn what_config_misses_is_on_the_list() {
    let texts = [
        OLD,
        NEW,
        "service: {}",
        "other: 1",
        "service:\n  consumer: {name: insights_messaging.consumers.cli.Interactive}\n",
        "service:\n  publisher: {name: insights_messaging.publishers.cli.StdOut}\n",
        "service:\n  consumer: {name: a.KafkaConsumer, kwargs: {group_id: \"it's\", incoming_topic: 'a/b'}}\n",
    ];
    for text in texts {
        let import = of(text);
        let to_do: Vec<&str> = import
            .added
            .iter()
            .filter(|line| matches!(line.outcome, Outcome::ToDo(_)))
            .map(|line| line.name.as_str())
            .collect();
        let mistakes = loaded(&import, &[]).err().map(|mistakes| mistakes.list).unwrap_or_default();
        for mistake in &mistakes {
            // Their default is empty, so the variable has to be set there too.
            let is_unset = mistake.found.contains("which is not set")
                || mistake.to_string().contains("default of OUT");
            assert!(is_unset || to_do.contains(&mistake.key.as_str()), "{mistake}\n{to_do:?}");
        }
    }
}

#[test]
fn a_mistake_is_named_and_nothing_is_imported() {
    for (text, part) in [
        ("", "the file is empty"),
        ("# nothing\n", "the file is empty"),
        ("{}\n", "the file is empty"),
        ("- a\n", "not a table"),
        ("service: [\n", "invalid YAML"),
        ("service: 5\n", "service: a value where a table is expected"),
        ("service: {consumer: {kwargs: {}}}\n", "service.consumer: no `name`"),
        ("service: {consumer: {name: a, kwargs: [1]}}\n", "service.consumer.kwargs: a value where"),
        ("a: 1\na: 2\n", "invalid YAML"),
    ] {
        let mistakes = import(text, "CCX", "c.yaml").expect_err(text);
        assert!(mistakes.iter().any(|it| it.contains(part)), "{text}: {mistakes:?}");
    }
}
