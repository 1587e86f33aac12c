//! Reports of mistakes: complete, with key, layer, place, what was found and what is accepted, and
//! without secrets.

use proptest::prelude::*;

use super::*;

#[test]
fn every_mistake_is_in_one_report() {
    let sources = Sources {
        env_file: "BQ_TABEL_DELIVERY='t'\n\
                   IMPORT_PATH_DELIVERY='a/b'\n\
                   CONSUME_ENV_DELIVERY='prd'\n\
                   WRITE_ENV_DELIVERY='prod'\n\
                   GROUP_ID_DELIVERY='g'\n\
                   GROUP_ID_DELIVERY='h'\n"
            .to_owned(),
        ..Sources::default()
    }
    .file(
        "x.toml",
        "BATCH_ROWS = 0\n[consume.prod]\nbootstrap_server = \"a:1\"\n[consumer]\nx = 1\n",
    )
    .file("y.yaml", "write:\n  uat-2:\n    project: p\n  uat:\n    project: p\n")
    .variable("WRITE_ENV", "uat")
    .variable("DRAIN_SECONDS", "90");
    let mistakes = sources.load().expect_err("mistakes");
    let report = mistakes.to_string();
    let places: Vec<(&str, String)> = mistakes
        .list
        .iter()
        .map(|m| (m.key.as_str(), m.at.as_ref().map_or(String::new(), |(_, at)| at.to_string())))
        .collect();
    let expected = [
        ("BQ_TABEL_DELIVERY", ".env:1"),
        ("WRITE_ENV_DELIVERY", ".env:4"),
        ("GROUP_ID_DELIVERY", ".env:6"),
        ("consume.prod.bootstrap_server", "x.toml:3"),
        ("consumer", "x.toml:4"),
        ("write.uat-2.project", "y.yaml:3"),
        ("IMPORT_PATH_DELIVERY", ".env:2"),
        ("IMPORT_OBJECT_DELIVERY", ""),
        ("CONSUME_ENV_DELIVERY", ".env:3"),
        ("BQ_TABLE_DELIVERY", ""),
        ("write.uat.dataset", ""),
        ("BATCH_ROWS", "x.toml:1"),
        ("DRAIN_SECONDS", "variable DRAIN_SECONDS"),
    ];
    let expected = expected.map(|(key, place)| (key, place.to_owned()));
    assert_eq!(places, expected, "{report}");
    for part in [
        "the configuration of DELIVERY has 13 mistakes",
        "did you mean `BQ_TABLE_DELIVERY`?",
        "the cluster sets it",
        "the first is at .env:5",
        "did you mean `bootstrap_servers`?",
        "did you mean `consume`?",
        "configured environments: prod; did you mean `prod`?",
        "\"uat-2\" as the name of an environment",
        "variable DRAIN_SECONDS (environment)",
        "found     `90`",
        "accepted  seconds: a whole number from 1 to 25",
        "where     not set in any layer",
    ] {
        assert!(report.contains(part), "{part:?} is missing in\n{report}");
    }
}

#[test]
fn a_misspelt_key_of_this_domain_is_reported_with_a_suggestion() {
    for (name, meant) in [
        ("BQ_TABEL_DELIVERY", "`BQ_TABLE_DELIVERY`"),
        ("BATCH_AGE_DELIVERY", "`BATCH_AGE_MS_DELIVERY`"),
        ("BQ_TABLES_DELIVERY", "`BQ_TABLE_DELIVERY`"),
        ("WRITE_ENVIRONMENT_DELIVERY", "`WRITE_ENV`"),
        ("IGNORE_EVENT_DELIVERY", "`IGNORE_EVENTS_DELIVERY`"),
        ("bq_table_delivery", "`BQ_TABLE_DELIVERY`"),
        ("batch_rows", "`BATCH_ROWS_DELIVERY`"),
    ] {
        let in_env = Sources::valid().env(&format!("{name}=hunter2")).mistake();
        let in_file = Sources::valid().file("x.toml", &format!("{name} = 'hunter2'")).mistake();
        for mistake in [in_env, in_file] {
            assert_eq!(mistake.key, name);
            assert!(mistake.accepted.contains(meant), "{mistake}");
            assert!(!mistake.to_string().contains("hunter2"), "{mistake}");
        }
        // The process environment also has variables of other programs.
        assert!(Sources::valid().variable(name, "x").load().is_ok());
    }
    let far = Sources::valid().env("ZZZZ_DELIVERY=1").mistake();
    assert!(!far.accepted.contains("did you mean"), "{far}");
}

#[test]
fn keys_of_others_are_ignored() {
    let sources = Sources::valid()
        .env("BQ_TABLE_ORDERS=''\nGROUP_ID_EVENTS_DELIVERY=' '\nWRITE_ENV_ORDERS=x\nRUST_LOG=info")
        .env("SOMETHING=else\nMYDELIVERY=1");
    assert!(sources.load().is_ok());
}

/// One key's name begins with another's, so a misspelt form of it could be the other key of another
/// domain.
#[test]
fn a_misspelt_key_is_not_taken_for_a_key_of_another_domain() {
    for name in [
        "FILTER_ONERROR_DELIVERY",
        "FILTER_ON_ERRORS_DELIVERY",
        "FILTER_ON_EROR_DELIVERY",
        "FILTER_ON_ERRRO_DELIVERY",
        "FILTER_NO_ERROR_DELIVERY",
        "FILTER_OM_ERROR_DELIVERY",
        "FILTER_ERROR_DELIVERY",
        "filter_onerror_DELIVERY",
    ] {
        let in_env = Sources::valid().env(&format!("{name}=ignore")).mistake();
        let in_file = Sources::valid().file("x.toml", &format!("{name} = 'ignore'")).mistake();
        for mistake in [in_env, in_file] {
            assert_eq!(mistake.key, name);
            assert!(mistake.accepted.contains("`FILTER_ON_ERROR_DELIVERY`"), "{mistake}");
        }
    }
    for name in [
        "FILTER_ORDERS_DELIVERY",
        "FILTER_EVENTS_DELIVERY",
        "FILTER_HTTP_ERRORS_DELIVERY",
        "FILTER_ORDERS",
        "FILTER_ON_ERROR_ORDERS",
        "FILTER_ON_ERROR_EVENTS_DELIVERY",
        "GROUP_ID_EVENTS_DELIVERY",
        "BATCH_ROWS_MORE_DELIVERY",
    ] {
        assert!(Sources::valid().env(&format!("{name}=ignore")).load().is_ok(), "{name}");
    }
}

#[test]
fn a_misspelt_domain_is_reported_where_no_domain_has_that_name() {
    for (name, meant) in [
        ("FILTER_DELIVREY", "FILTER_DELIVERY"),
        ("FILTER_ON_ERROR_DELIVERI", "FILTER_ON_ERROR_DELIVERY"),
        ("BATCH_ROWS_DELIVER", "BATCH_ROWS_DELIVERY"),
        ("IGNORE_EVENTS_DDELIVERY", "IGNORE_EVENTS_DELIVERY"),
    ] {
        let mistake = Sources::valid().env(&format!("{name}=x")).mistake();
        assert_eq!(mistake.key, name);
        assert!(mistake.accepted.contains(&format!("`{meant}`")), "{mistake}");
        // A domain of that name has keys that it cannot do without.
        let domain = name.rsplit('_').next().expect("a domain");
        let both = Sources::valid().env(&format!("{name}=x\nBQ_TABLE_{domain}=t"));
        assert!(both.load().is_ok(), "{name}");
        assert!(Sources::valid().variable(name, "x").load().is_ok(), "of another program");
    }
    for name in ["FILTER_ORDERS", "FILTER_DELIVERIES", "FILTER_DELIVERY2", "RUST_LOG_DELIVER"] {
        assert!(Sources::valid().env(&format!("{name}=x")).load().is_ok(), "{name}");
    }
}

#[test]
fn a_key_of_the_cluster_has_no_form_for_one_domain() {
    for name in ["WRITE_ENV_DELIVERY", "GOOGLE_APPLICATION_CREDENTIALS_DELIVERY"] {
        for sources in [
            Sources::valid().env(&format!("{name}=prod")),
            Sources::valid().file("x.yaml", &format!("{name}: prod")),
            Sources::valid().variable(name, "prod"),
        ] {
            let mistake = sources.mistake();
            assert_eq!(mistake.key, name);
            assert!(mistake.accepted.contains("the cluster sets it"), "{mistake}");
        }
    }
}

#[test]
fn no_key_is_reported_as_missing_if_a_source_cannot_be_read() {
    let mistake = Sources::default().file("x.toml", "= broken").mistakes();
    assert!(mistake.iter().all(|mistake| mistake.at.is_some()), "{mistake:#?}");
    let mut sources = Sources::valid();
    sources.env_file = sources.env_file.replace("GROUP_ID_DELIVERY=", "GROUP_ID_DELIVERY ");
    let mistake = sources.mistake();
    assert_eq!(
        mistake.at,
        Some((LayerKind::EnvFile, Place::File { file: ".env".into(), line: Some(5) }))
    );
}

#[test]
fn a_value_cannot_forge_lines_of_a_report() {
    let mistake = Sources::valid().variable("ROW_LAYOUT", "a\n\n  FORGED\u{1b}[31m").mistake();
    assert_eq!(mistake.found, "`a\\n\\n  FORGED\\u{1b}[31m`");
    let long = Sources::valid().variable("ROW_LAYOUT", &"ä".repeat(1_000)).mistake();
    assert!(long.found.chars().count() < 200, "{long}");
    // `config` shows values whole.
    let servers: Vec<String> = (0..40).map(|n| format!("kafka-{n}.example.com:9092")).collect();
    let servers = servers.join(",");
    let loaded = Sources::valid().variable("CONSUME__PROD__BOOTSTRAP_SERVERS", &servers).load();
    let loaded = loaded.expect("valid");
    assert_eq!(loaded.shown("CONSUME__PROD__BOOTSTRAP_SERVERS").0, servers);
}

#[test]
#[cfg(unix)]
fn bytes_that_are_not_utf_8_are_a_mistake() {
    use std::os::unix::ffi::OsStringExt;
    let mut sources = Sources::valid();
    sources.variables.insert("GROUP_ID".into(), OsString::from_vec(vec![0xff, 0xfe]));
    sources.variables.insert("UNRELATED".into(), OsString::from_vec(vec![0xff]));
    assert_eq!(sources.mistake().key, "GROUP_ID");
}

#[test]
fn an_environment_with_a_name_like_a_secret_is_shown() {
    let sources = Sources {
        env_file: VALID
            .replace("prod'\nGROUP", "keycloak'\nGROUP")
            .replace("__PROD__B", "__KEYCLOAK__B"),
        ..Sources::default()
    }
    .variable("CONSUME__KEYCLOAK__PROPERTIES__SSL_KEY_PASSWORD", "x");
    let loaded = sources.load().unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert!(loaded.shown("CONSUME__KEYCLOAK__BOOTSTRAP_SERVERS").0.starts_with("prod1"));
    assert_eq!(loaded.shown("CONSUME__KEYCLOAK__PROPERTIES__SSL_KEY_PASSWORD").0, "[redacted]");
}

/// Names of secret properties, some of them misspelt.
const SECRET: &[&str] = &[
    "SASL_PASSWORD",
    "SSL_KEY_PASSWORD",
    "SSL_KEYSTORE_PASSWORD",
    "SASL_OAUTHBEARER_CLIENT_SECRET",
    "SASL_OAUTHBEARER_CONFIG",
    "SSL_KEY_PEM",
    "SASL_PASWORD",
    "PASSWORT",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// A secret is printed neither by the settings' `Debug` nor in the table of `config` nor in a
    /// mistake, whatever else is wrong with its source.
    #[test]
    fn a_secret_is_never_printed(
        secret in "[a-zA-Z0-9]{16,24}",
        property in proptest::sample::select(SECRET.to_vec()),
        source in 0..4usize,
        breakage in proptest::sample::select(vec!["", "'", "\"", "\n= x", "\n  - y", "\nBATCH_ROWS: z", "\nBATCH_ROWS = 0"]),
        wrong in any::<bool>(),
    ) {
        let key = format!("CONSUME__PROD__PROPERTIES__{property}");
        let mut sources = match source {
            0 => Sources::valid().env(&format!("{key}='{secret}'{breakage}")),
            1 => Sources::valid().file("x.toml", &format!("{key} = \"{secret}\"{breakage}")),
            2 => Sources::valid().file("x.yaml", &format!("{key}: {secret}{breakage}")),
            _ => Sources::valid().variable(&key, &secret),
        };
        if wrong {
            sources = sources.variable("ROW_LAYOUT", "rows");
        }
        let printed = match sources.load() {
            Ok(loaded) => format!("{:?} {:?}", loaded.settings, loaded.resolved),
            Err(mistakes) => format!("{mistakes} {mistakes:?}"),
        };
        prop_assert!(!printed.contains(&secret), "{printed}");
    }
}
