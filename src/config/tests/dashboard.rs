//! The series file, and the keys that the dashboard reads.

use super::*;
use crate::config::dashboard;
use crate::config::keys::SERIES;

const POSTGRES: &str = "WRITE_ENV='uat'\nWRITE__UAT__POSTGRES__URL='postgres://a@h:5432/d'\n";

const HIGH: &str = "[[series]]\nname = 'high'\nstore = 'postgres'\ntable = 'public.high'\n\
                    value = 'amount'\naggregate = 'mean'\n";

/// What a `.env` and a series file are together.
fn load(env_file: &str, name: &str, text: &str) -> Result<DashboardSettings, Mistakes> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("written");
    let none = Variables::new();
    let mut gather = Gather::new(dashboard::NAME, &none);
    gather.env_file(&".env".into(), env_file);
    let value = path.to_string_lossy().into_owned();
    gather.command_line(&[Override { flag: "--series", key: &SERIES, value }]);
    resolve(gather, dashboard::read).map(|(settings, _)| settings)
}

/// Key, line of the series file and rest of each mistake.
fn mistakes(name: &str, text: &str) -> Vec<(String, usize, String)> {
    let mistakes = load(POSTGRES, name, text).expect_err("mistakes").list;
    let line = |mistake: &Mistake| match &mistake.at {
        Some((LayerKind::File, Place::File { line, .. })) => line.unwrap_or_default(),
        other => panic!("{other:?}"),
    };
    let rest = |mistake: &Mistake| format!("{} | {}", mistake.found, mistake.accepted);
    mistakes.iter().map(|one| (one.key.clone(), line(one), rest(one))).collect()
}

#[test]
fn what_is_left_out_has_a_default() {
    let settings = load(POSTGRES, "s.toml", HIGH).expect("valid");
    let table = PostgresTable { schema: "public".to_owned(), table: "high".to_owned() };
    let expected = SeriesSettings {
        name: "high".to_owned(),
        label: "high".to_owned(),
        unit: String::new(),
        aggregate: Aggregate::Mean,
        value: "amount".to_owned(),
        source: SeriesSource::Postgres { table, time: "_kafka_timestamp".to_owned() },
    };
    assert_eq!(settings.series, [expected]);
    assert_eq!(settings.series[0].source.to_string(), "postgres public.high");
    assert_eq!(settings.address.to_string(), "127.0.0.1:8090");
    assert_eq!(settings.instances, []);
    assert!(settings.postgres.is_some());
}

#[test]
fn toml_and_yaml_say_the_same() {
    let toml = format!(
        "{HIGH}label = 'High €'\nunit = 'EUR'\ntime = 'at'\n\
         [[series]]\nname = 'n'\nstore = 'postgres'\ntable = 'a\"b'\nvalue = 'v'\naggregate = 'Count'\n\
         [[instance]]\nname = 'high'\nurl = 'http://consumer.svc:9464/'\n"
    );
    let yaml = "series:\n- name: high\n  store: postgres\n  table: public.high\n  value: amount\n  \
                aggregate: mean\n  label: High €\n  unit: EUR\n  time: at\n- name: n\n  \
                store: postgres\n  table: a\"b\n  value: v\n  aggregate: Count\n\
                instance:\n  - {name: high, url: \"http://consumer.svc:9464\"}\n";
    let (toml, yaml) = (load(POSTGRES, "s.toml", &toml), load(POSTGRES, "s.yaml", yaml));
    let (toml, yaml) = (toml.expect("valid"), yaml.expect("valid"));
    assert_eq!(toml.series, yaml.series);
    assert_eq!(toml.instances, yaml.instances);
    assert_eq!(toml.instances[0].url, "http://consumer.svc:9464");
    assert_eq!(toml.series[1].source.to_string(), "postgres public.a\"b");
}

#[test]
fn every_mistake_is_reported_with_its_line() {
    let toml = "[[series]]\nname = 'high'\nstore = 'postgres'\ntabel = 'high'\naggregate = 'avg'\n\
                value = ''\n\n[[series]]\nstore = 'postgress'\nname = 'high'\nvalue = 'x'\n\
                table = 'a'\naggregate = 'mean'\n\n[[instance]]\nname = \"a\\nb\"\n\
                url = 'ftp://h'\n\n[sereis]\n";
    let found = mistakes("s.toml", toml);
    let keys: Vec<(&str, usize)> = found.iter().map(|(key, line, _)| (&**key, *line)).collect();
    let expected = [
        ("series high: aggregate", 5),
        ("series high: value", 6),
        ("series high: table", 2),
        ("series high: tabel", 4),
        ("series high: store", 9),
        ("instance #1: name", 16),
        ("instance #1: url", 17),
        ("sereis", 19),
    ];
    assert_eq!(keys, expected);
    assert!(found[0].2.starts_with("`avg` | `mean`, `sum`"), "{found:?}");
    assert!(found[3].2.ends_with("did you mean `table`?"), "{found:?}");
    assert!(found[7].2.ends_with("did you mean `series`?"), "{found:?}");

    let yaml = "series:\n  - name: high\n    store: postgres\n    table: t\n    value: v\n    \
                aggregate: mean\n    valeu: v\n  -\n    name: low\n    store: 1\n    value: v\n    \
                aggregate: sum\n";
    let found = mistakes("s.yml", yaml);
    let keys: Vec<(&str, usize)> = found.iter().map(|(key, line, _)| (&**key, *line)).collect();
    assert_eq!(keys, [("series high: valeu", 7), ("series low: store", 10)], "{found:?}");
}

#[test]
fn a_file_has_series_of_different_names() {
    let twice = mistakes("s.toml", &format!("{HIGH}{HIGH}"));
    assert_eq!(twice.len(), 1);
    assert!(twice[0].2.starts_with("the name `high` twice"), "{twice:?}");
    let none = mistakes("s.toml", "[[instance]]\nname = 'a'\nurl = 'http://a'\n");
    assert!(none[0].2.starts_with("none | at least one"), "{none:?}");
    let many: String = (0..17).map(|n| HIGH.replace("'high'", &format!("'h{n}'"))).collect();
    assert!(mistakes("s.toml", &many)[0].2.starts_with("17 entries"));
    for (name, text) in [("s.toml", "[[series]\n"), ("s.json", "{}"), ("s.toml", "series = 1\n")] {
        assert_eq!(mistakes(name, text).len(), 1, "{text}");
    }
}

#[test]
fn a_series_of_influxdb_has_a_measurement() {
    let low = "[[series]]\nname = 'low'\nstore = 'influxdb'\nmeasurement = 'low'\n\
               value = 'amount'\naggregate = 'max'\n";
    let influxdb = "WRITE__UAT__INFLUXDB__URL='http://127.0.0.1:8086'\n\
                    WRITE__UAT__INFLUXDB__BUCKET='events'\n";
    let both = load(&format!("{POSTGRES}{influxdb}"), "s.toml", &format!("{HIGH}{low}"));
    let both = both.expect("valid");
    assert_eq!(both.series[1].source.to_string(), "influxdb low");
    assert!(both.postgres.is_some() && both.influxdb.is_some());
    let found = mistakes("s.toml", &format!("{low}time = 'at'\n"));
    assert_eq!((&*found[0].0, found[0].1), ("series low: time", 7));
    assert!(found[0].2.contains("a key of another store | this key with `store = \"postgres\"`"));
    let without = load("WRITE_ENV=uat\nWRITE__UAT__PROJECT=p\n", "s.toml", &format!("{HIGH}{low}"));
    let keys: Vec<String> = without.expect_err("none").list.into_iter().map(|it| it.key).collect();
    let expected =
        ["write.uat.postgres.url", "write.uat.influxdb.url", "write.uat.influxdb.bucket"];
    assert_eq!(keys, expected);
}

#[test]
fn a_url_is_that_of_a_server() {
    for url in ["http://h:1/status", "http://u:p@h", "h:9464", "https://h/?q=1", "http://"] {
        let text = format!("{HIGH}[[instance]]\nname = 'a'\nurl = '{url}'\n");
        let found = mistakes("s.toml", &text);
        assert_eq!(found.len(), 1, "{url}: {found:?}");
        assert!(!found[0].2.contains("u:p@"), "{found:?}");
    }
}

#[test]
fn the_store_of_a_series_has_to_be_configured() {
    let keys = |env_file: &str| -> Vec<String> {
        let mistakes = load(env_file, "s.toml", HIGH).expect_err("mistakes").list;
        mistakes.into_iter().map(|one| one.key).collect()
    };
    assert_eq!(keys(""), ["WRITE_ENV"]);
    assert_eq!(keys("WRITE_ENV=uat\nWRITE__UAT__PROJECT=p\n"), ["write.uat.postgres.url"]);
    assert_eq!(keys(&format!("{POSTGRES}DASHBOARD_ADDR=8090\n")), ["DASHBOARD_ADDR"]);
    let none = Variables::new();
    let mut gather = Gather::new(dashboard::NAME, &none);
    gather.env_file(&".env".into(), POSTGRES);
    let mistakes = resolve(gather, dashboard::read).expect_err("no file").list;
    assert_eq!(mistakes[0].key, "SERIES");
    let gone = "SERIES=/nowhere/s.toml\n";
    let mut gather = Gather::new(dashboard::NAME, &none);
    gather.env_file(&".env".into(), &format!("{POSTGRES}{gone}"));
    let mistakes = resolve(gather, dashboard::read).expect_err("no such file").list;
    assert!(mistakes[0].found.contains("/nowhere/s.toml: No such file"), "{mistakes:?}");
}
