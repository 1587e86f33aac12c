//! What becomes of an entry: the sections of a file, and the classes that are known.

use super::{Entry, Mapping, shown};
use crate::config::keys::{
    DEAD_LETTER, FETCH, FETCH_ALLOW, FILTER, METRICS_ADDR, OBJECT_BYTES, OBJECT_UNPACKED_BYTES,
    RULES, SINK, START_FROM, TRACKER_SERVICE, TRACKER_TOPIC,
};
use crate::icm::kafka::{Argument, Side};
use crate::icm::outcome::Outcome;
use crate::icm::template::Template;

impl Mapping<'_> {
    pub(super) fn entry(&mut self, entry: &Entry<'_>) -> Outcome {
        let path: Vec<&str> = entry.leaf.path.iter().map(String::as_str).collect();
        match &path[..] {
            ["plugins", "default_component_enabled"] => {
                Outcome::left_out("all rules of a set are applied")
            }
            ["plugins", "packages", _] | ["service", "target_components", _] => self.rules(entry),
            ["plugins", "configs", ..] | ["configs", ..] => Outcome::to_do(
                "rules are configured in their YAML; a rule that is not enabled is left out there",
            ),
            ["service", "engine", "kwargs", "target_components", _] => self.rules(entry),
            ["service", name] | ["service", "engine", "kwargs", name] if is_of_engine(name) => {
                self.of_engine(name, entry)
            }
            ["service", "engine", "name"] => engine(&shown(&entry.value)),
            ["service", "consumer", rest @ ..] => self.consumer(rest, entry),
            ["service", "publisher", rest @ ..] => self.publisher(rest, entry),
            ["service", "downloader", rest @ ..] => self.downloader(rest, entry),
            ["service", "watchers", index, rest @ ..] => self.watcher(index, rest, entry),
            ["service", "requeuer", ..] => Outcome::left_out(
                "nothing is requeued: an outage is waited for, and a rejected event is a dead letter",
            ),
            ["service", "logging" | "logging_configurator", ..] => {
                Outcome::left_out("the program logs by itself; RUST_LOG sets the level")
            }
            ["service", "engine", ..] => self.argument_of("engine"),
            ["service" | "plugins", section, ..] | [section, ..] => Outcome::to_do(format!(
                "Insights Core Messaging does not read `{}`; find out what does",
                crate::config::on_one_line(section)
            )),
            [] => Outcome::left_out("it is empty"),
        }
    }

    /// The rules of a package, which no program can translate.
    fn rules(&self, entry: &Entry<'_>) -> Outcome {
        let (package, rules) = (shown(&entry.value), RULES.name_in(&self.draft.domain));
        Outcome::to_do(format!(
            "write the rules and parsers of {package} in YAML, in the folder that {rules} names \
             (docs/reference/rules.md)"
        ))
    }

    /// An argument of the engine that the service may have too.
    fn of_engine(&mut self, name: &str, entry: &Entry<'_>) -> Outcome {
        match name {
            "extract_timeout" => Outcome::left_out(
                "an archive is unpacked while it is fetched; OBJECT_TIMEOUT_MS limits one attempt",
            ),
            "extract_tmp_dir" => Outcome::left_out("nothing is written to a disk"),
            "unpacked_archive_size_limit" => match entry.value.as_plain() {
                Some("-1") => Outcome::to_do(format!(
                    "there is always a limit: {}, 1GiB where it is not set",
                    OBJECT_UNPACKED_BYTES.name_in(&self.draft.domain)
                )),
                _ => self.key(&OBJECT_UNPACKED_BYTES, entry, entry.value.clone()),
            },
            _ if shown(&entry.value).ends_with("JsonFormat") => {
                Outcome::left_out("the report is JSON, as the contract of REPORT_PATH says")
            }
            _ => Outcome::to_do(format!(
                "the contract of REPORT_PATH has to have what {} writes",
                shown(&entry.value)
            )),
        }
    }

    fn consumer(&mut self, rest: &[&str], entry: &Entry<'_>) -> Outcome {
        let domain = self.draft.domain.clone();
        match rest {
            ["name"] => {
                let class = shown(&entry.value);
                match class.rsplit('.').next() {
                    _ if !self.is_kafka("consumer") => Outcome::to_do(format!(
                        "{class} does not read Kafka, and this program reads nothing else"
                    )),
                    Some("Kafka" | "KafkaConsumer" | "Consumer") => {
                        Outcome::left_out("the program reads Kafka by itself")
                    }
                    _ => {
                        Outcome::to_do(format!("find out what {class} does besides reading Kafka"))
                    }
                }
            }
            ["kwargs", "dead_letter_queue_topic"] => {
                self.key(&DEAD_LETTER, entry, entry.value.clone().within("kafka:", ""))
            }
            ["kwargs", "kafka_broker_config", "auto.offset.reset"]
            | ["kwargs", "auto.offset.reset" | "auto_offset_reset"] => {
                let value = match entry.value.as_plain() {
                    Some("smallest" | "beginning") => Template::plain("earliest"),
                    Some("largest" | "end") => Template::plain("latest"),
                    _ => entry.value.clone(),
                };
                self.key(&START_FROM, entry, value)
            }
            ["kwargs", "max_record_age"] => match entry.value.as_plain() {
                Some("-1") => Outcome::left_out("records of every age are read"),
                _ => Outcome::to_do("no key leaves out records by their age: all are read"),
            },
            ["kwargs", "platform_service"] => {
                let text = entry.value.written().unwrap_or_default();
                if text.contains(['"', '\\']) {
                    return Outcome::to_do(format!(
                        "compare the header `service` in {}",
                        FILTER.name_in(&domain)
                    ));
                }
                let value = entry.value.clone();
                let filter = value.within("headers.?service.orValue(\"\") == \"", "\"");
                self.key(&FILTER, entry, filter)
            }
            ["kwargs", "processing_timeout_s"] => match entry.value.as_plain() {
                Some("0") => Outcome::left_out("there is no limit in seconds"),
                _ => Outcome::to_do(
                    "rules are limited in steps and memory, not in seconds: decide whether that is enough",
                ),
            },
            ["kwargs", "metric_interval"] => Outcome::left_out("metrics are counted all the time"),
            _ => self.kafka(&Side::consumer(&self.draft.environment()), "consumer", rest, entry),
        }
    }

    fn publisher(&mut self, rest: &[&str], entry: &Entry<'_>) -> Outcome {
        match rest {
            ["name"] if self.is_kafka("publisher") => {
                self.key(&SINK, entry, Template::plain("kafka"))
            }
            ["name"] => Outcome::to_do(format!(
                "{} is no sink of this program: choose one with {}",
                shown(&entry.value),
                SINK.name_in(&self.draft.domain)
            )),
            ["kwargs", "compression"] => Outcome::to_do(
                "a message is plain JSON; the property `compression.type` compresses on the way, which \
                 readers do not see",
            ),
            _ => self.kafka(&Side::publisher(&self.draft.environment()), "publisher", rest, entry),
        }
    }

    /// An argument of Kafka's consumer or publisher.
    fn kafka(&mut self, side: &Side, component: &str, rest: &[&str], entry: &Entry<'_>) -> Outcome {
        let (name, in_list) = match rest {
            ["kwargs", "kafka_broker_config", name] | ["kwargs", name] => (name, false),
            ["kwargs", "kafka_broker_config", name, index] | ["kwargs", name, index]
                if index.starts_with('[') =>
            {
                (name, true)
            }
            _ => return self.argument_of(component),
        };
        match side.argument(name) {
            Argument::To(target) => self.set(entry, target, entry.value.clone(), in_list),
            Argument::Refused(reason) => Outcome::left_out(reason),
            Argument::Unknown => self.argument_of(component),
        }
    }

    fn downloader(&mut self, rest: &[&str], entry: &Entry<'_>) -> Outcome {
        let domain = self.draft.domain.clone();
        match rest {
            ["name"] => {
                let class = shown(&entry.value);
                let places = match class.rsplit('.').next() {
                    Some("HTTPDownloader") if !self.has_unsafe_links() => {
                        Some("https://*.s3.amazonaws.com")
                    }
                    Some("HTTPDownloader" | "Http" | "S3Downloader") => None,
                    _ => {
                        return Outcome::to_do(format!(
                            "find out what {class} fetches; {} and {} name objects and places",
                            FETCH.name_in(&domain),
                            FETCH_ALLOW.name_in(&domain)
                        ));
                    }
                };
                let fetch = self.key(&FETCH, entry, Template::plain("/url"));
                match (places, fetch) {
                    (Some(places), Outcome::Key(fetch)) => {
                        self.key(&FETCH_ALLOW, entry, Template::plain(places));
                        Outcome::Key(format!("{fetch}, {}", FETCH_ALLOW.name_in(&domain)))
                    }
                    (_, fetch) => fetch,
                }
            }
            ["kwargs", "max_archive_size"] => {
                let bytes = entry.value.as_plain().and_then(bytes);
                match bytes {
                    Some(bytes) => {
                        self.key(&OBJECT_BYTES, entry, Template::plain(bytes.to_string()))
                    }
                    None => Outcome::to_do(format!(
                        "{} has bytes, or KiB, MiB or GiB",
                        OBJECT_BYTES.name_in(&domain)
                    )),
                }
            }
            ["kwargs", "allow_unsafe_links"] => match self.has_unsafe_links() {
                false => Outcome::left_out("only listed places are fetched from"),
                true => Outcome::to_do(format!(
                    "list the places of the archives in {}",
                    FETCH_ALLOW.name_in(&domain)
                )),
            },
            ["kwargs", "tmp_dir" | "chunk_size"] => {
                Outcome::left_out("nothing is written to a disk")
            }
            _ => self.argument_of("downloader"),
        }
    }

    /// Whether archives of other places than Amazon's are fetched, or may be: Python takes every text
    /// but the empty one for true, and Insights Core Messaging makes `false` of a text.
    fn has_unsafe_links(&self) -> bool {
        let value = self.value(&["service", "downloader", "kwargs", "allow_unsafe_links"]);
        let text = value.map(|value| value.as_plain().map(str::to_ascii_lowercase));
        text.is_some_and(|text| !matches!(text.as_deref(), Some("false" | "no" | "off" | "0")))
    }

    fn watcher(&mut self, index: &str, rest: &[&str], entry: &Entry<'_>) -> Outcome {
        let class =
            self.value(&["service", "watchers", index, "name"]).map_or_else(String::new, shown);
        let kind = class.rsplit('.').next().unwrap_or_default();
        match (kind, rest) {
            ("StatsWatcher" | "LocalStatWatcher", ["name"]) => Outcome::left_out(
                "metrics are built in, under other names (docs/reference/metrics.md)",
            ),
            ("StatsWatcher", ["kwargs", "prometheus_port"]) => {
                self.key(&METRICS_ADDR, entry, entry.value.clone().within("0.0.0.0:", ""))
            }
            ("ClusterIdWatcher", ["name"]) => Outcome::to_do(
                "let the rules read the cluster's id from config/id (docs/reference/rules.md)",
            ),
            ("PayloadTrackerWatcher", ["name"]) => {
                Outcome::left_out("the program tells the payload tracker by itself")
            }
            ("PayloadTrackerWatcher", ["kwargs", "topic"]) => {
                self.key(&TRACKER_TOPIC, entry, entry.value.clone())
            }
            ("PayloadTrackerWatcher", ["kwargs", "service_name"]) => {
                self.key(&TRACKER_SERVICE, entry, entry.value.clone())
            }
            ("PayloadTrackerWatcher", ["kwargs", property @ ..]) => {
                let consumer = [&["service", "consumer", "kwargs"], property].concat();
                if self.value(&consumer).is_some_and(|same| *same == entry.value) {
                    Outcome::left_out("messages go to the consumer's brokers")
                } else {
                    Outcome::to_do(
                        "messages to the payload tracker go to the consumer's brokers, with its \
                         properties",
                    )
                }
            }
            (_, ["name"]) => {
                Outcome::to_do(format!("find out what {class} does with what it sees"))
            }
            _ => Outcome::to_do(format!("an argument of {class}")),
        }
    }

    fn argument_of(&self, component: &str) -> Outcome {
        let class = self.value(&["service", component, "name"]).map_or_else(String::new, shown);
        Outcome::to_do(format!("no key is known for it; find out what {class} does with it"))
    }
}

fn is_of_engine(name: &str) -> bool {
    let names = ["extract_timeout", "extract_tmp_dir", "unpacked_archive_size_limit"];
    names.contains(&name) || name == "format" || name == "formatter"
}

fn engine(class: &str) -> Outcome {
    match class.rsplit('.').next() {
        Some("Engine" | "OCPEngine") => Outcome::left_out("the program applies RULES"),
        _ => Outcome::to_do(format!("find out what {class} does besides applying rules")),
    }
}

/// The bytes of a size as ccx-messaging reads it: `100MB` has powers of ten, `100Mi` of two.
fn bytes(text: &str) -> Option<u64> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let factor: f64 = match unit.trim_end_matches('B') {
        "" => 1.0,
        "K" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let number: f64 = number.trim_end().parse().ok().filter(|number| *number >= 0.0)?;
    Some((number * factor) as u64)
}
