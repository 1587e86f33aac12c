//! What the `.env` of an instance in a cluster must not hold.
//!
//! In a cluster such a file comes from whoever owns the domain, while the cluster decides where
//! brokers and BigQuery are and which identity is used. A file that could name an address of
//! BigQuery would be sent the cluster's access tokens. So there the file holds keys of its domain and
//! nothing else. The program knows that it runs in a cluster by `CLUSTER` in the environment of its
//! process, which an instance's file cannot change.

use super::allow::AllowList;
use super::keys::{
    self, API_ADDR, API_TOKENS_FILE, CLUSTER, CONTRACTS_DIR, FETCH_ALLOW, Key, METRICS_ADDR,
    RESULTS_ADDR, RESULTS_IDENTITY, RESULTS_STORE, RESULTS_TOKENS_FILE, RULE_SETS_DIR,
};
use super::layer::{Layer, LayerKind, Place};
use super::layers::Layers;
use super::mistake::{Mistake, looks_secret};

/// What a file holds that is no setting of its domain.
pub struct Suspicious<'a> {
    /// Names that are no keys of the domain.
    pub foreign: &'a [(String, Place)],
    /// Keys whose values have a variable in them.
    pub with_variables: &'a [(String, Place)],
}

/// The cluster in which the program runs.
pub fn cluster(layers: &Layers) -> Option<&str> {
    let setting = layers.find(CLUSTER.base)?;
    (setting.layer == LayerKind::Environment).then_some(setting.text.as_str())
}

/// In a cluster, marks the values of the `.env` with a variable in them as secret, as the variable may
/// be. They are mistakes, and reports of these show values.
pub fn hide(layers: &mut [Layer], with_variables: &[(String, Place)]) {
    let names_cluster = |layer: &Layer| {
        layer.kind == LayerKind::Environment && layer.settings.contains_key(CLUSTER.base)
    };
    if !layers.iter().any(names_cluster) {
        return;
    }
    for layer in layers.iter_mut().filter(|layer| layer.kind == LayerKind::EnvFile) {
        for setting in layer.settings.values_mut() {
            let written_there = |(_, place): &(String, Place)| *place == setting.place;
            setting.secret |= with_variables.iter().any(written_there);
        }
    }
}

/// The mistakes in the layer of the `.env`; none outside a cluster.
pub fn mistakes(layers: &Layers, file: &Suspicious<'_>) -> Vec<Mistake> {
    let Some(cluster) = cluster(layers) else { return Vec::new() };
    let accepted =
        format!("keys of the domain only; the data of the cluster `{cluster}` set the rest");
    let mistake = |key: &str, place: &Place, found: &str| Mistake {
        key: key.to_owned(),
        at: Some((LayerKind::EnvFile, place.clone())),
        found: found.to_owned(),
        accepted: accepted.clone(),
    };
    let mut mistakes = Vec::new();
    for (path, setting) in layers.settings_of(LayerKind::EnvFile) {
        let found = match keys::named(path) {
            None => "a key of an environment, which belongs to the cluster",
            Some(key) if belongs_to_the_cluster(key) => "a key that belongs to the cluster",
            // Whoever owns a domain must not reach into the cluster's own network.
            Some(key) if *key == FETCH_ALLOW && lists_addresses(&setting.text) => {
                "addresses, which only the environment of the process may allow"
            }
            Some(_) if looks_secret(&setting.text) => {
                "a value that looks secret; the file is in git"
            }
            Some(_) => continue,
        };
        mistakes.push(mistake(&setting.written, &setting.place, found));
    }
    let others = file.foreign.iter();
    mistakes.extend(others.map(|(name, place)| mistake(name, place, "not a key of this domain")));
    // `GROUP_ID=${…PASSWORD}` would copy a secret of the process to where Kafka and logs show it.
    mistakes.extend(file.with_variables.iter().map(|(name, place)| Mistake {
        accepted: "a value without variables; single quotes make `$` a plain character".to_owned(),
        ..mistake(name, place, "a variable of the process in the value")
    }));
    mistakes
}

/// Whether a key says where a process runs, reads its files, who may use it, or as whom it writes.
fn belongs_to_the_cluster(key: &Key) -> bool {
    let of_the_cluster = [
        &CONTRACTS_DIR,
        &RULE_SETS_DIR,
        &METRICS_ADDR,
        &API_ADDR,
        &API_TOKENS_FILE,
        &RESULTS_ADDR,
        &RESULTS_STORE,
        &RESULTS_TOKENS_FILE,
        &RESULTS_IDENTITY,
    ];
    !key.per_domain || of_the_cluster.contains(&key)
}

fn lists_addresses(text: &str) -> bool {
    AllowList::parse(text).is_ok_and(|list| list.has_addresses())
}
