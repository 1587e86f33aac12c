//! Variables in configuration files, and keys that name the variable with their value.

use proptest::prelude::*;

use super::*;
use crate::config::variables::{Variables, expand};

/// The valid configuration without these keys.
fn without(keys: &[&str]) -> Sources {
    let is_kept = |line: &&str| !keys.iter().any(|key| line.starts_with(key));
    let env_file = VALID.lines().filter(is_kept).map(|line| format!("{line}\n")).collect();
    Sources { env_file, ..Sources::default() }
}

fn no_group() -> Sources {
    without(&["GROUP_ID"])
}

fn group(sources: &Sources) -> String {
    sources.settings().consume.group_id
}

fn expanded(text: &str, variables: &[(&str, &str)]) -> Result<String, String> {
    let variables: Variables =
        variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let place = Place::File { file: "c.toml".into(), line: Some(1) };
    let given = expand("KEY", &[text.to_owned()], place, &variables, <[String]>::concat);
    given.fault.map_or(Ok(given.text), |fault| Err(fault.found))
}

#[test]
fn a_variable_is_replaced_and_a_default_holds_where_it_is_not_set() {
    let variables = [("A", "a"), ("EMPTY", ""), ("_B1", "${A}")];
    for (text, expected) in [
        ("${A}", "a"),
        ("x${A}y${A}", "xaya"),
        ("${C:d}", "d"),
        ("${C:}", ""),
        ("${C:a:b}", "a:b"),
        ("${A:d}", "a"),
        // As in Insights Core Messaging: a variable that is set to nothing is set.
        ("${EMPTY:d}", ""),
        // What a variable holds is not read again.
        ("${_B1}", "${A}"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("pa$$word $A $", "pa$$word $A $"),
    ] {
        assert_eq!(expanded(text, &variables).as_deref(), Ok(expected), "{text}");
    }
    for (text, part) in [
        ("${C}", "the variable C, which is not set"),
        ("${C}${D}", "the variable D, which is not set"),
        ("${", "without its `}`"),
        ("${A", "without its `}`"),
        ("${}", "without the name"),
        ("${a-b}", "without the name"),
        ("${1}", "without the name"),
        ("${:d}", "without the name"),
    ] {
        let found = expanded(text, &variables).expect_err(text);
        assert!(found.contains(part), "{text}: {found}");
    }
}

proptest! {
    /// A text without variables stays as it is, and any text can be written.
    #[test]
    fn every_text_can_be_written(text in "[a${}:A ]{0,20}") {
        let written = text.replace("${", "$${");
        prop_assert_eq!(expanded(&written, &[("A", "x")]), Ok(text.clone()));
        if !text.contains("${") {
            prop_assert_eq!(expanded(&text, &[]), Ok(text));
        }
    }
}

#[test]
fn values_of_every_kind_come_out_of_variables_in_both_formats() {
    let toml = "BATCH_ROWS = \"${ROWS}\"\nIGNORE_EVENTS = [\"${ONE}\", \"B\"]\n\
                [consume.prod]\nprotected = \"${PROTECTED:false}\"\n\
                bootstrap_servers = [\"${KAFKA}:9092\", \"b:1\"]\n\
                [consume.prod.properties]\n\"sasl.username\" = \"${USERNAME}\"\n";
    let yaml = "BATCH_ROWS: ${ROWS}\nIGNORE_EVENTS: ['${ONE}', B]\nconsume:\n  prod:\n    \
                protected: ${PROTECTED:false}\n    bootstrap_servers: ['${KAFKA}:9092', 'b:1']\n    \
                properties:\n      sasl.username: ${USERNAME}\n";
    for (name, text) in [("c.toml", toml), ("c.yaml", yaml)] {
        let sources = without(&["CONSUME__"]).file(name, text);
        let sources = sources.variable("ROWS", "7").variable("ONE", "A").variable("KAFKA", "k");
        let sources = sources.variable("PROTECTED", "true").variable("USERNAME", "me");
        let settings = sources.settings();
        assert_eq!(settings.limits.batch_rows, 7);
        assert_eq!(settings.contract.ignore_events, ["A", "B"]);
        assert_eq!(settings.consume.broker, Broker::Servers("k:9092,b:1".to_owned()));
        assert!(settings.consume.protected);
        assert_eq!(settings.consume.properties["sasl.username"].expose(), "me");
    }
}

#[test]
fn config_shows_file_and_variable_and_hides_secrets() {
    let text = "GROUP_ID_DELIVERY = \"${NAME}-${STAGE:dev}\"\n[consume.prod.properties]\n\
                \"sasl.password\" = \"${NAME}\"\n\"sasl.username\" = \"${DB_PASSWORD}\"\n";
    let sources = no_group().file("c.toml", text).variable("NAME", "hunter2");
    let loaded = sources.variable("DB_PASSWORD", "hunter3").load().expect("valid");
    let group = loaded.shown("GROUP_ID_DELIVERY");
    let place = "c.toml:1, variable NAME, default of STAGE".to_owned();
    assert_eq!(group, ("hunter2-dev", LayerKind::File, place));
    let password = loaded.shown("consume.prod.properties.sasl.password");
    assert_eq!((password.0, password.2.as_str()), ("[redacted]", "c.toml:3, variable NAME"));
    // The variable's name says that its value is secret.
    assert_eq!(loaded.shown("consume.prod.properties.sasl.username").0, "[redacted]");
}

#[test]
fn an_unset_variable_is_a_mistake_only_where_the_value_counts() {
    let unset = no_group().file("c.toml", "# x\nGROUP_ID_DELIVERY = \"${GROUP}\"");
    let mistake = unset.mistake();
    assert_eq!(mistake.key, "GROUP_ID_DELIVERY");
    assert_eq!(mistake.at.as_ref().expect("a place").1.to_string(), "c.toml:2");
    assert_eq!(mistake.found, "the variable GROUP, which is not set");
    for (key, line) in [
        ("IGNORE_EVENTS", "IGNORE_EVENTS = \"${A}\""),
        ("consume.prod.properties.client.id", "consume.prod.properties.\"client.id\" = \"${A}\""),
        ("consume.prod.protected", "consume.prod.protected = \"${A}\""),
    ] {
        assert_eq!(Sources::valid().file("c.toml", line).mistake().key, key);
    }
    // Another layer wins, another environment is used, or the key is another domain's.
    assert_eq!(group(&unset.variable("GROUP_ID_DELIVERY", "g")), "g");
    let elsewhere = "GROUP_ID_ORDERS = \"${A}\"\nconsume.uat.bootstrap_servers = \"${B}\"\n";
    assert!(Sources::valid().file("c.toml", elsewhere).load().is_ok());
}

#[test]
fn keys_are_not_replaced_and_the_env_file_keeps_its_own_rules() {
    let sources = Sources::valid().file("c.toml", "\"${A}\" = \"x\"").variable("A", "GROUP_ID");
    assert_eq!(group(&sources), "test-new-uat-ip");
    // dotenvy reads the environment of this process, which has no such variable.
    let sources = no_group().env("FIRST=f\nGROUP_ID_DELIVERY=\"${FIRST}-x\"");
    assert_eq!(group(&sources), "f-x");
    let variable = no_group().variable("GROUP_ID_DELIVERY", "${A}").variable("A", "a");
    assert_eq!(group(&variable), "${A}", "a variable of the process is taken as it is");
}

#[test]
fn a_default_in_the_env_file_is_a_mistake() {
    let sources = no_group().env("GROUP_ID_DELIVERY=\"${GROUP:g}\"");
    let mistake = sources.mistake();
    assert_eq!(mistake.key, "GROUP_ID_DELIVERY");
    assert!(mistake.accepted.contains("configuration file"), "{mistake}");
    assert_eq!(group(&no_group().env("GROUP_ID_DELIVERY='${GROUP:g}'")), "${GROUP:g}");
}

#[test]
fn the_variable_that_a_key_names_wins_over_the_plain_value() {
    let text = "GROUP_ID_DELIVERY = \"plain\"\nGROUP_ID_DELIVERY_env = \"GROUP\"\n[consume.prod]\n\
                bootstrap_servers_env = \"KAFKA\"\nbootstrap_servers = \"plain:1\"\n";
    let sources = without(&["GROUP_ID", "CONSUME__"]).file("c.toml", text);
    let servers = |sources: &Sources| match sources.settings().consume.broker {
        Broker::Servers(servers) => servers,
        Broker::Embedded => panic!("embedded"),
    };
    assert_eq!((group(&sources).as_str(), servers(&sources).as_str()), ("plain", "plain:1"));
    let set = sources.clone().variable("GROUP", "g").variable("KAFKA", "k:1");
    assert_eq!((group(&set).as_str(), servers(&set).as_str()), ("g", "k:1"));
    let loaded = set.load().expect("valid");
    let shown = loaded.shown("GROUP_ID_DELIVERY_env");
    assert_eq!(shown, ("g", LayerKind::File, "c.toml:2, variable GROUP".to_owned()));
    // A variable that is set to nothing is set.
    let empty = sources.variable("GROUP", "").mistake();
    assert_eq!(
        (empty.key.as_str(), empty.found.as_str()),
        ("GROUP_ID_DELIVERY_env", "an empty value")
    );
}

#[test]
fn where_neither_is_set_the_mistake_names_both() {
    let text = "GROUP_ID_env = \"GROUP\"\nconsume.prod.bootstrap_servers_env = \"KAFKA\"\n";
    let mistakes = without(&["GROUP_ID", "CONSUME__"]).file("c.toml", text).mistakes();
    let found: Vec<_> = mistakes.iter().map(|one| (one.key.as_str(), one.found.as_str())).collect();
    let group = "nothing; GROUP_ID_env names the variable GROUP, which is not set (c.toml:1, variable GROUP)";
    let kafka = "nothing; consume.prod.bootstrap_servers_env names the variable KAFKA, which is not set (c.toml:2, variable KAFKA)";
    let expected = [("GROUP_ID_DELIVERY", group), ("consume.prod.bootstrap_servers", kafka)];
    assert_eq!(found, expected);
}

#[test]
fn what_is_no_key_that_names_a_variable_is_a_mistake() {
    let mistake = |text: &str| Sources::valid().file("c.toml", text).mistake();
    assert_eq!(mistake("GROUP_ID_DELIVERY_env = \"a b\"").key, "GROUP_ID_DELIVERY_env");
    assert_eq!(
        mistake("consume.prod.bootstrap_server_env = \"K\"").found,
        "the unknown key `bootstrap_server_env`"
    );
    assert_eq!(mistake("GRUOP_ID_DELIVERY_env = \"G\"").found, "an unknown key");
    assert!(mistake("consume.prod.properties.\"client.id_env\" = \"G\"").key.ends_with("id_env"));
    let twice = "consume.prod.protected_env = \"A\"\nCONSUME__PROD__PROTECTED_env = \"A\"\n";
    assert!(mistake(twice).found.starts_with("a second value"));
    // Neither the environment nor the `.env` has such keys.
    for sources in [
        Sources::valid().variable("CONSUME__PROD__BOOTSTRAP_SERVERS_ENV", "K"),
        Sources::valid().env("CONSUME__PROD__BOOTSTRAP_SERVERS_ENV=K"),
    ] {
        assert_eq!(sources.mistake().found, "the unknown key `bootstrap_servers_env`");
    }
}

#[test]
fn in_topic_takes_the_place_of_the_channel_s_address() {
    assert_eq!(Sources::valid().settings().contract.topic, None);
    let sources = Sources::valid().file("c.toml", "IN_TOPIC_DELIVERY_env = \"TOPIC\"");
    let settings = sources.variable("TOPIC", "archives").settings();
    assert_eq!(settings.contract.topic.as_deref(), Some("archives"));
}

/// One file: the plain value, and whether the variable that its `_env` names is set.
type FilePart = (Option<u8>, Option<Option<u8>>);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// In a file the variable wins over the plain value, and a file without either says nothing.
    /// Otherwise the layers and the two forms of the key rank as ever.
    #[test]
    fn the_right_value_wins_over_all_layers(
        own in [any::<FilePart>(), any::<FilePart>()],
        of_all in [any::<FilePart>(), any::<FilePart>()],
        env_file in [any::<Option<u8>>(), any::<Option<u8>>()],
        environment in [any::<Option<u8>>(), any::<Option<u8>>()],
    ) {
        let mut sources = no_group();
        let names = ["GROUP_ID_DELIVERY", "GROUP_ID"];
        let mut files = [String::new(), String::new()];
        let mut expected = None;
        for (name, parts, (weakest, strongest)) in [
            (names[1], &of_all, (env_file[1], environment[1])),
            (names[0], &own, (env_file[0], environment[0])),
        ] {
            let mut value = None;
            if let Some(number) = weakest {
                sources = sources.env(&format!("{name}=e{number}"));
                value = Some(format!("e{number}"));
            }
            for (index, (plain, variable)) in parts.iter().enumerate() {
                if let Some(number) = plain {
                    files[index].push_str(&format!("{name} = \"p{number}\"\n"));
                    value = Some(format!("p{number}"));
                }
                if let Some(variable) = variable {
                    files[index].push_str(&format!("{name}_env = \"V_{name}_{index}\"\n"));
                    if let Some(number) = variable {
                        sources = sources.variable(&format!("V_{name}_{index}"), &format!("v{number}"));
                        value = Some(format!("v{number}"));
                    }
                }
            }
            if let Some(number) = strongest {
                sources = sources.variable(name, &format!("s{number}"));
                value = Some(format!("s{number}"));
            }
            // The domain's own value wins over the default of all domains.
            expected = value.or(expected);
        }
        let [first, second] = files;
        let sources = sources.file("a.toml", &first).file("b.toml", &second);
        match expected {
            Some(expected) => prop_assert_eq!(group(&sources), expected),
            None => {
                let mistake = sources.mistake();
                prop_assert_eq!(&mistake.key, "GROUP_ID_DELIVERY");
                let named = own.iter().chain(&of_all).filter(|(_, it)| *it == Some(None)).count();
                prop_assert_eq!(mistake.found.matches(" names the variable V_").count(), named);
            }
        }
    }
}
