//! The outcomes of all entries, and the draft that they become.

mod sections;

use crate::config::keys::{
    CONSUME_ENV, IMPORT_OBJECT, IMPORT_PATH, Key, REPORT_OBJECT, REPORT_PATH, RULES, START_FROM,
    TRACKER_ACCOUNT, TRACKER_ORG, TRACKER_SERVICE, TRACKER_TOPIC, WRITE_ENV,
};
use crate::config::{is_secret, looks_secret, printable_beginning};
use crate::icm::draft::{Draft, Setting, Target};
use crate::icm::leaves::Leaf;
use crate::icm::outcome::{Line, Outcome};
use crate::icm::template::Template;

/// The outcomes so far, and the settings that entries became.
pub struct Mapping<'a> {
    leaves: &'a [Leaf],
    pub draft: Draft,
    pub outcomes: Vec<Outcome>,
    /// Keys that are needed and have no entry.
    pub added: Vec<Line>,
}

/// An entry with its number and its value.
struct Entry<'a> {
    number: usize,
    leaf: &'a Leaf,
    value: Template,
}

impl<'a> Mapping<'a> {
    pub fn new(leaves: &'a [Leaf], domain: &str) -> Self {
        let draft = Draft { domain: domain.to_owned(), settings: Vec::new() };
        Self { leaves, draft, outcomes: Vec::new(), added: Vec::new() }
    }

    /// Gives each entry its outcome.
    pub fn entries(&mut self) {
        for (number, leaf) in self.leaves.iter().enumerate() {
            let outcome = match leaf.value.clone() {
                None => Outcome::left_out("it is empty"),
                Some(value) => self.entry(&Entry { number, leaf, value }),
            };
            self.outcomes.push(outcome);
        }
    }

    fn value(&self, path: &[&str]) -> Option<&'a Template> {
        let leaves: &'a [Leaf] = self.leaves;
        leaves.iter().find(|leaf| leaf.path == path)?.value.as_ref()
    }

    /// Whether a consumer or a publisher is one of Kafka: by its class, or by its arguments.
    fn is_kafka(&self, component: &str) -> bool {
        let class = self.value(&["service", component, "name"]).map_or_else(String::new, shown);
        let of_kafka = |leaf: &Leaf| match &leaf.path[..] {
            [service, of, kwargs, name, ..] if service == "service" && of == component => {
                let names =
                    ["incoming_topic", "outgoing_topic", "bootstrap", "kafka_broker_config"];
                kwargs == "kwargs" && names.iter().any(|start| name.starts_with(start))
            }
            _ => false,
        };
        class.to_ascii_lowercase().contains("kafka") || self.leaves.iter().any(of_kafka)
    }

    fn key(&mut self, key: &'static Key, entry: &Entry<'_>, value: Template) -> Outcome {
        self.set(entry, Target::Key(key), value, false)
    }

    /// Makes a setting of a value, if it may be written.
    fn set(
        &mut self,
        entry: &Entry<'_>,
        target: Target,
        value: Template,
        in_list: bool,
    ) -> Outcome {
        let name = target.name(&self.draft.domain);
        let Some(written) = value.written() else {
            return Outcome::to_do(format!("a variable that cannot be written here: set {name}"));
        };
        let is_variable = name.ends_with("_env");
        // The place of a key is no secret.
        let by_name = match &target {
            Target::Section { leaf, .. } => is_secret(leaf) && !leaf.ends_with(".location"),
            Target::Key(_) | Target::KeyEnv(_) => false,
        };
        let secret = by_name || looks_secret(&written);
        if secret && !is_variable && !value.is_variables_alone() {
            let variable = target.variable(&self.draft.domain);
            return Outcome::to_do(format!("secrets are not written to files: set {variable}"));
        }
        let setting = Setting { target, values: vec![value], entry: Some(entry.number) };
        let Some(index) = self.draft.settings.iter().position(|it| it.target == setting.target)
        else {
            self.draft.settings.push(setting);
            return Outcome::Key(name);
        };
        let other = self.draft.settings[index].entry.unwrap_or_default();
        let (own, others) = (&entry.leaf.path, &self.leaves[other].path);
        let is_broker_config = |path: &[String]| path.iter().any(|it| it == "kafka_broker_config");
        let is_same_list = in_list && own[..own.len() - 1] == others[..others.len() - 1];
        if is_same_list && name.ends_with("bootstrap_servers") {
            self.draft.settings[index].values.extend(setting.values);
            return Outcome::Key(name);
        }
        if is_broker_config(own) && !is_broker_config(others) {
            self.outcomes[other] = Outcome::left_out("kafka_broker_config has it too, and wins");
            self.draft.settings[index] = setting;
            return Outcome::Key(name);
        }
        if is_broker_config(others) && !is_broker_config(own) {
            return Outcome::left_out("kafka_broker_config has it too, and wins");
        }
        Outcome::to_do(format!("{name} has the value of {}", self.leaves[other].name()))
    }

    /// Adds the keys that a domain needs and the file has no entry for, and says what is not the same
    /// without an entry.
    pub fn added(&mut self) {
        let environment = self.draft.environment();
        let file = |name: &str| format!("contracts.{environment}.{name}");
        let contract =
            |name: &str| format!("write the contract contracts/{environment}/{name}.yaml");
        let events =
            format!("{}, of the events (docs/reference/contracts.md)", contract("events_v1"));
        let reports = format!("{}, of the reports", contract("reports_v1"));
        let rules = format!(
            "write the rules in contracts/rules/{environment}_v1 (docs/reference/rules.md)"
        );
        for (key, value, outcome) in [
            (&IMPORT_PATH, file("events_v1"), Outcome::to_do(events)),
            (
                &IMPORT_OBJECT,
                "Events".to_owned(),
                Outcome::to_do("give that contract a channel Events"),
            ),
            (&RULES, format!("rules.{environment}_v1"), Outcome::to_do(rules)),
            (&REPORT_PATH, file("reports_v1"), Outcome::to_do(reports)),
            (
                &REPORT_OBJECT,
                "Reports".to_owned(),
                Outcome::to_do("give that contract a channel Reports"),
            ),
            (&CONSUME_ENV, environment.clone(), Outcome::Key(environment.clone())),
            (&WRITE_ENV, environment.clone(), Outcome::Key(environment.clone())),
        ] {
            self.add(key, value, outcome);
        }
        let is_ours = self.is_kafka("consumer");
        if is_ours && self.draft.of(&Target::Key(&START_FROM)).is_none() {
            let outcome = Outcome::Key("latest, the default of Kafka's clients".to_owned());
            self.add(&START_FROM, "latest".to_owned(), outcome);
        }
        let consumer = ["service", "consumer", "name"];
        let class = self.value(&consumer).map_or_else(String::new, shown);
        let age = self.value(&["service", "consumer", "kwargs", "max_record_age"]);
        if class.starts_with("ccx_messaging.") && age.is_none() {
            let what = "theirs leaves out records that are older than two hours; all are read here";
            let name = "service.consumer.kwargs.max_record_age".to_owned();
            self.added.push(Line { name, outcome: Outcome::to_do(what) });
        }
        if self.draft.of(&Target::Key(&TRACKER_TOPIC)).is_some() {
            self.added_for_tracker();
        }
    }

    /// What the payload tracker is told that the file does not say.
    fn added_for_tracker(&mut self) {
        if self.draft.of(&Target::Key(&TRACKER_SERVICE)).is_none() {
            let outcome = Outcome::Key("the default of ccx-messaging".to_owned());
            self.add(&TRACKER_SERVICE, "ccx-data-pipeline".to_owned(), outcome);
        }
        for (key, pointer) in [
            (&TRACKER_ORG, "/b64_identity/identity/internal/org_id"),
            (&TRACKER_ACCOUNT, "/b64_identity/identity/account_number"),
        ] {
            let what = format!("{pointer}, if the contract decodes b64_identity");
            self.add(key, pointer.to_owned(), Outcome::Key(what));
        }
    }

    fn add(&mut self, key: &'static Key, value: String, outcome: Outcome) {
        let target = Target::Key(key);
        let name = target.name(&self.draft.domain);
        let values = vec![Template::plain(value)];
        self.draft.settings.push(Setting { target, values, entry: None });
        self.added.push(Line { name, outcome });
    }

    /// Takes back what the program would not accept, and lists the keys that have to be set.
    pub fn check(&mut self) {
        loop {
            let (wrong, missing): (Vec<_>, Vec<_>) =
                self.draft.mistakes().into_iter().partition(|mistake| mistake.at.is_some());
            let before = self.draft.settings.len();
            for mistake in &wrong {
                let what = format!(
                    "{}: found {}, accepted {}",
                    mistake.key, mistake.found, mistake.accepted
                );
                let named = |it: &Setting| it.target.name(&self.draft.domain) == mistake.key;
                let Some(index) = self.draft.settings.iter().position(named) else { continue };
                match self.draft.settings.remove(index).entry {
                    Some(entry) => self.outcomes[entry] = Outcome::ToDo(what),
                    None => self.added.retain(|line| line.name != mistake.key),
                }
            }
            if self.draft.settings.len() < before {
                continue;
            }
            for mistake in missing {
                let outcome = Outcome::ToDo(format!("has to be set: {}", mistake.accepted));
                self.added.push(Line { name: mistake.key, outcome });
            }
            return;
        }
    }
}

/// A value as a message may show it.
fn shown(value: &Template) -> String {
    printable_beginning(false, &value.written().unwrap_or_else(|| "a variable".to_owned()))
}
