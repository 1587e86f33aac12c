//! The table of a transfer in a configuration file. Some of its keys set keys of the domain.

use super::Gather;
use crate::config::document::{FileValue, KeyValue};
use crate::config::keys::{
    BQ_TABLE, GROUP_ID, IMPORT_OBJECT, IMPORT_PATH, IN_TOPIC, Key, PARTITION_BY, PG_TABLE, SINK,
    closest, did_you_mean,
};
use crate::config::layer::{Layer, LayerKind, Place, RawSetting};
use crate::config::location::Location;
use crate::config::transfer::Table;
use crate::config::variables::Variables;

/// Keys of a transfer that set a key of its domain.
const OF_DOMAIN: &[(&str, &Key)] = &[
    ("contract", &IMPORT_PATH),
    ("channel", &IMPORT_OBJECT),
    ("topic", &IN_TOPIC),
    ("sink", &SINK),
];

impl<'a> Gather<'a> {
    /// Begins with the defaults of a transfer's domain.
    pub fn of_transfer(domain: &'a str, name: &'a str, variables: &'a Variables) -> Self {
        let mut gather = Self::new(domain, variables);
        gather.of_transfer = Some(name);
        if let Some(defaults) = gather.layers.first_mut() {
            // It joins no group; clients and dead letters have the name.
            let group = setting(GROUP_ID.base, format!("transfer-{name}"), Place::BuiltIn);
            let group = RawSetting { layer: LayerKind::Default, ..group };
            defaults.settings.insert(GROUP_ID.name_in(domain), group);
        }
        gather
    }

    /// Takes the transfer's own table out of `[transfer]`. A file may have many.
    pub(super) fn transfers(&mut self, layer: &mut Layer, file: &Location, inner: Vec<KeyValue>) {
        let Some(name) = self.of_transfer else { return };
        let names: Vec<String> = inner.iter().map(|pair| pair.key.clone()).collect();
        let Some(KeyValue { line, value, .. }) = inner.into_iter().find(|pair| pair.key == name)
        else {
            let hint = did_you_mean(closest(name, names.iter().map(String::as_str)));
            let accepted = format!("a transfer of this file: {}{hint}", names.join(", "));
            let place = Place::Flag("TRANSFER_NAME");
            let (key, found) = ("TRANSFER_NAME".to_owned(), format!("`{name}`"));
            self.mistake(key, LayerKind::CommandLine, place, found, accepted);
            return;
        };
        let FileValue::Table(pairs) = value else {
            let place = Place::File { file: file.clone(), line };
            let found = "a value that is no table";
            let accepted = format!("[transfer.{name}]");
            self.mistake(format!("transfer.{name}"), LayerKind::File, place, found, accepted);
            return;
        };
        let text = |key: &str| {
            pairs.iter().find(|pair| pair.key == key).and_then(|pair| match &pair.value {
                FileValue::Text(text) => Some((pair.line, text.clone())),
                _ => None,
            })
        };
        let postgres = text("sink").is_some_and(|(_, sink)| sink.trim() == "postgres");
        let target = if postgres { &PG_TABLE } else { &BQ_TABLE };
        let date = (!postgres).then_some(("date_column", &PARTITION_BY));
        for (own, key) in OF_DOMAIN.iter().copied().chain([("target", target)]).chain(date) {
            if let Some((line, text)) = text(own) {
                let place = Place::File { file: file.clone(), line };
                let setting = setting(&format!("transfer.{name}.{own}"), text, place);
                layer.settings.insert(key.name_in(self.domain), setting);
            }
        }
        let of_domain = |pair: &KeyValue| {
            matches!(pair.value, FileValue::Text(_))
                && (pair.key == "target" || OF_DOMAIN.iter().any(|(own, _)| *own == pair.key))
        };
        let pairs = pairs.into_iter().filter(|pair| !of_domain(pair)).collect();
        self.transfer = Some(Table { file: file.clone(), line, pairs });
    }
}

fn setting(written: &str, text: String, place: Place) -> RawSetting {
    RawSetting {
        written: written.to_owned(),
        text,
        secret: false,
        layer: LayerKind::File,
        place,
        fault: None,
    }
}
