//! Counts by label, read from the text that `/metrics` exposes: a family of metrics does not list its
//! labels otherwise.

use std::collections::BTreeMap;

use crate::telemetry::exposition::{Exposition, Sample};

/// The values of a counter with one label, by the label's value. `name`: without `_total`.
pub(super) fn counts(exposed: &Exposition, name: &str) -> BTreeMap<String, u64> {
    let families = exposed.families();
    let samples = families.into_iter().filter(|family| family.name == name);
    let samples = samples.flat_map(|family| family.samples);
    let count = |sample: Sample<'_>| {
        let [(_, label)] = &sample.labels[..] else { return None };
        Some((label.clone(), sample.value.parse().ok()?))
    };
    samples.filter_map(count).collect()
}
