//! Published prices, for estimates.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

#[derive(Deserialize)]
struct Prices {
    write_gib: BTreeMap<String, f64>,
}

static PUBLISHED: LazyLock<Option<Prices>> =
    LazyLock::new(|| toml::from_str(include_str!("prices.toml")).ok());

/// US dollars for a GiB that is written to a table at this location. `None`: it is not known.
pub fn write_gib(location: &str) -> Option<f64> {
    PUBLISHED.as_ref()?.write_gib.get(location).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_can_be_read() {
        assert_eq!(write_gib("EU"), Some(0.025));
        assert_eq!(write_gib("US"), Some(0.025));
        assert_eq!(write_gib("europe-west1"), None);
    }
}
