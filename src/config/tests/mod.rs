//! Tests of the layers and of the rules of every key. Most sources are texts, so a test needs no
//! files and no variables of its own process.

mod dashboard;
mod documents;
mod influx;
mod instance_file;
mod kafka;
mod layering;
mod location;
mod mistakes;
mod postgres;
mod reference;
mod rules;
mod sources;
mod steps;
mod variables;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use super::gather::{Gather, Override};
use super::*;

/// The sources of a test, in ascending precedence.
#[derive(Clone, Default)]
struct Sources {
    env_file: String,
    /// Name, whose extension sets the format, and text.
    files: Vec<(&'static str, String)>,
    variables: BTreeMap<OsString, OsString>,
    flags: Vec<Override>,
}

/// A valid configuration of DELIVERY as a `.env` file.
const VALID: &str = "\
BQ_TABLE_DELIVERY='delivery_events_temp'
IMPORT_PATH_DELIVERY='contracts.delivery.delivery_events_v10'
IMPORT_OBJECT_DELIVERY='DeliveryEventsV10Topic'
CONSUME_ENV_DELIVERY='prod'
GROUP_ID_DELIVERY='test-new-uat-ip'
WRITE_ENV='prod'
CONSUME__PROD__BOOTSTRAP_SERVERS='prod1:9092,prod2:9092,prod3:9092'
WRITE__PROD__PROJECT='a-project'
WRITE__PROD__DATASET='a_dataset'
";

/// The settings of the sink where it is BigQuery; owned, as most tests load them for one question.
fn bigquery(settings: &Settings) -> BigQuerySettings {
    settings.write.sink.bigquery().expect("the sink is BigQuery").clone()
}

/// A valid configuration of DELIVERY without what BigQuery needs, for the tests of other sinks.
fn without_bigquery() -> Sources {
    let of_bigquery = |line: &&str| line.starts_with("BQ_TABLE") || line.starts_with("WRITE__");
    let lines = VALID.lines().filter(|line| !of_bigquery(line));
    Sources { env_file: lines.map(|line| format!("{line}\n")).collect(), ..Sources::default() }
}

impl Sources {
    fn valid() -> Self {
        Self { env_file: VALID.to_owned(), ..Self::default() }
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    fn env(mut self, line: &str) -> Self {
        self.env_file.push_str(line);
        self.env_file.push('\n');
        self
    }

    fn file(mut self, name: &'static str, text: &str) -> Self {
        self.files.push((name, text.to_owned()));
        self
    }

    fn load(&self) -> Result<Loaded, Mistakes> {
        let mut gather = Gather::new("DELIVERY", &self.variables);
        gather.env_file(&".env".into(), &self.env_file);
        for (name, text) in &self.files {
            gather.file(&(*name).into(), text);
        }
        gather.environment();
        gather.command_line(&self.flags);
        let read = |resolver: &mut Resolver<'_>| section::read(resolver, &mut |_, _, _| Vec::new());
        resolve(gather, read).map(|(settings, resolved)| Loaded { settings, resolved })
    }

    /// The settings. A mistake fails the test.
    fn settings(&self) -> Settings {
        self.load().unwrap_or_else(|mistakes| panic!("{mistakes}")).settings
    }

    /// The mistakes. Fails the test if there are none.
    fn mistakes(&self) -> Vec<Mistake> {
        match self.load() {
            Ok(loaded) => panic!("no mistake in {:#?}", loaded.resolved),
            Err(mistakes) => mistakes.list,
        }
    }

    /// The only mistake.
    fn mistake(&self) -> Mistake {
        let mut list = self.mistakes();
        assert_eq!(list.len(), 1, "{list:#?}");
        list.remove(0)
    }
}

impl Loaded {
    /// The value, layer and place of a key, as `config` prints them.
    fn shown(&self, key: &str) -> (&str, LayerKind, String) {
        let found = self.resolved.iter().find(|resolved| resolved.key == key);
        let found = found.unwrap_or_else(|| panic!("{key} is not shown: {:#?}", self.resolved));
        (&found.value, found.layer, found.place.to_string())
    }
}
