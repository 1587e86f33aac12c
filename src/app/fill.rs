//! What commands that insert missing rows beside the instances have in common: before which offsets they
//! may, and the transfer that they are.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::verify::{AllCommitted, CommittedRows};
use crate::config::{BatchSettings, Duplicates, Scope, Settings, SourceSettings, TransferSettings};
use crate::record::{Offset, Partition};
use crate::source::Offsets;

/// A transfer of the domain's topic, whose rows are told apart by their positions. `name` is what the table
/// of runs has.
pub fn fill_settings(name: &str, settings: &Settings, lease: Duration) -> TransferSettings {
    TransferSettings {
        otlp: None,
        name: name.to_owned(),
        domain: BatchSettings {
            contract: settings.contract.clone(),
            consume: Some(settings.consume.clone()),
            write: settings.write.clone(),
            dead_letter: settings.dead_letter.clone(),
            limits: settings.limits.clone(),
        },
        source: SourceSettings::Topic,
        date_column: None,
        time_zone: TimeZone::UTC,
        scope: Scope::Table,
        key: Vec::new(),
        duplicates: Duplicates::Refuse,
        delete_missing: false,
        lease,
        before: None,
        after: None,
    }
}

/// Before which offset of each partition no instance has anything left to do. `last_rows` are those of the
/// table, asked for after the committed offsets.
///
/// A partition's rows become visible in their order, after the offset behind them is committed. So before
/// the committed offset nothing is left to do once the last row that it promises is there, and in any case
/// before the last row that is there.
pub fn settled(committed: &AllCommitted, last_rows: &Offsets) -> Offsets {
    let of = |(partition, committed): (&Partition, &CommittedRows)| {
        let CommittedRows { next, last_row: promised, are_visible, .. } = *committed;
        let last = last_rows.get(partition).copied();
        let is_kept = promised.is_some_and(|promised| last >= Some(promised));
        let visible = match are_visible || is_kept {
            true => next,
            false => last.map_or(Offset(0), Offset::next),
        };
        (*partition, next.min(visible))
    };
    committed.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const PARTITION: Partition = Partition(0);

    #[test]
    fn rows_end_where_an_instance_may_still_write() {
        let end = |next: i64, last_row: Option<i64>, are_visible, last: Option<i64>| {
            let last_row = last_row.map(Offset);
            let (next, is_noted) = (Offset(next), last_row.is_some());
            let committed = CommittedRows { next, last_row, are_visible, is_noted, topic: None };
            let last = last.map(|last| (PARTITION, Offset(last)));
            let settled =
                settled(&BTreeMap::from([(PARTITION, committed)]), &last.into_iter().collect());
            settled.get(&PARTITION).map(|end| end.0)
        };
        // Committed, and not yet visible; visible, and read again after a crash.
        assert_eq!(end(100, Some(99), false, Some(79)), Some(80));
        assert_eq!(end(50, Some(49), false, Some(79)), Some(50));
        assert_eq!(end(100, Some(99), false, None), Some(0));
        // What comes after the last row was ignored or rejected.
        assert_eq!(end(100, Some(79), false, Some(79)), Some(100));
        assert_eq!(end(100, Some(80), false, Some(79)), Some(80));
        // Another program's commit promises nothing, and does not say that all is visible.
        assert_eq!(end(100, None, false, Some(79)), Some(80));
        // Nothing was left to make visible.
        assert_eq!(end(100, None, true, None), Some(100));
        assert_eq!(settled(&BTreeMap::new(), &Offsets::new()), Offsets::new());
    }
}
