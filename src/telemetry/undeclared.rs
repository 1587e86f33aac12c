//! Counts of fields that the contract does not declare. Producers choose their names, so the number of
//! series is bounded.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::label_text::LabelText;

/// The most series of a process, next to one `other` of each event type.
const MOST_SERIES: usize = 100;

/// The path of the fields beyond them.
const OTHER: &str = "other";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FieldLabel {
    pub event_type: LabelText,
    pub path: LabelText,
}

/// Events by type and field. Clones share the same counters.
#[derive(Debug, Clone)]
pub struct UndeclaredCounter {
    family: Family<FieldLabel, Counter>,
    known: Arc<Mutex<BTreeSet<(String, String)>>>,
}

impl UndeclaredCounter {
    pub(super) fn of(family: Family<FieldLabel, Counter>) -> Self {
        Self { family, known: Arc::default() }
    }

    /// Counts events with a field. Returns the path under which they are counted.
    pub fn count(&self, event_type: &str, path: &str, events: u64) -> String {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let field = (event_type.to_owned(), path.to_owned());
        let is_known = known.contains(&field);
        let path = match is_known || known.len() < MOST_SERIES {
            true => path,
            false => OTHER,
        };
        if !is_known && path != OTHER {
            known.insert(field);
        }
        drop(known);
        let text = |text: &str| LabelText(text.to_owned());
        let label = FieldLabel { event_type: text(event_type), path: text(path) };
        self.family.get_or_create(&label).inc_by(events);
        path.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fields_are_counted_by_path_and_the_rest_together() {
        let counter = UndeclaredCounter::of(Family::default());
        for number in 0..MOST_SERIES {
            let path = format!("/{number}");
            assert_eq!(counter.count("A", &path, 1), path);
        }
        assert_eq!(counter.count("A", "/more", 2), OTHER);
        assert_eq!(counter.count("A", "/still-more", 3), OTHER);
        assert_eq!(counter.count("B", "/0", 4), OTHER, "a field is one of an event type");
        assert_eq!(counter.count("A", "/0", 5), "/0");
        let count = |event_type: &str, path: &str| {
            let text = |text: &str| LabelText(text.to_owned());
            let label = FieldLabel { event_type: text(event_type), path: text(path) };
            counter.family.get(&label).map(|counter| counter.get())
        };
        assert_eq!((count("A", OTHER), count("B", OTHER)), (Some(5), Some(4)));
        assert_eq!((count("A", "/0"), count("A", "/more")), (Some(6), None));
    }
}
