//! What the `.env` of an instance in a cluster must not hold.
//!
//! In a cluster such a file comes from whoever owns the domain, while the cluster decides where
//! brokers and BigQuery are and which identity is used. A file that could name an address of
//! BigQuery would be sent the cluster's access tokens. So there the file holds keys of its domain and
//! nothing else. The program knows that it runs in a cluster by `CLUSTER` in the environment of its
//! process, which an instance's file cannot change.

use super::keys::{self, CLUSTER, CONTRACTS_DIR, Key, METRICS_ADDR};
use super::layer::{LayerKind, Place};
use super::layers::Layers;
use super::mistake::{Mistake, looks_secret};

/// The cluster in which the program runs.
pub fn cluster(layers: &Layers) -> Option<&str> {
    let setting = layers.find(CLUSTER.base)?;
    (setting.layer == LayerKind::Environment).then_some(setting.text.as_str())
}

/// The mistakes in the layer of the `.env`; none outside a cluster. `foreign` are the names in the
/// file that are no keys of its domain.
pub fn mistakes(layers: &Layers, foreign: &[(String, Place)]) -> Vec<Mistake> {
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
            Some(_) if looks_secret(&setting.text) => {
                "a value that looks secret; the file is in git"
            }
            Some(_) => continue,
        };
        mistakes.push(mistake(&setting.written, &setting.place, found));
    }
    let others = foreign.iter();
    mistakes.extend(others.map(|(name, place)| mistake(name, place, "not a key of this domain")));
    mistakes
}

/// Whether a key says where a process runs, reads its files, or as whom it writes.
fn belongs_to_the_cluster(key: &Key) -> bool {
    !key.per_domain || *key == CONTRACTS_DIR || *key == METRICS_ADDR
}
