use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::config::StartFrom;
use crate::pipeline::{AtStart, KeptOffset};
use crate::record::{Offset, Partition};
use crate::row::TableSchema;
use crate::sink::TableLook;
use crate::source::{GroupNow, Rights};
use crate::stop::Stop;
use crate::topic_id::TopicId;

const DAY: i64 = 24 * 3_600_000;
const NOW: i64 = 1_795_219_200_000;

type Logs = BTreeMap<Partition, (Offset, Offset)>;

fn logs(all: &[(i64, i64)]) -> Logs {
    let of = |(number, (begin, end)): (i32, &(i64, i64))| {
        (Partition(number), (Offset(*begin), Offset(*end)))
    };
    (0..).zip(all).map(of).collect()
}

/// What a stable group with these offsets is said to be. The age is that of the last record that was
/// read.
fn judged(
    logs: &Logs,
    kept: &[Option<(i64, Option<i64>)>],
    change: impl Fn(&mut GroupSeen<'_>),
) -> Finding {
    judged_as(&known("Stable", 2, true), logs, kept, change)
}

fn known(state: &str, members: usize, read: bool) -> GroupNow {
    GroupNow { state: state.to_owned(), members, rights: Some(Rights { read, write: false }) }
}

fn judged_as(
    now: &GroupNow,
    logs: &Logs,
    kept: &[Option<(i64, Option<i64>)>],
    change: impl Fn(&mut GroupSeen<'_>),
) -> Finding {
    let kept: BTreeMap<Partition, KeptOffset> = (0..)
        .zip(kept)
        .filter_map(|(number, kept)| {
            let (next, age) = (*kept)?;
            let note = age.map_or(String::new(), |age| {
                format!(
                    r#"{{"v":2,"by":"generic-consumer","topic":"{}","last":{{"offset":{},"timestamp":{},"hash":"0000000000000001"}}}}"#,
                    TopicId::new(7).expect("an id"), next - 1, NOW - age
                )
            });
            Some((Partition(number), KeptOffset { next: Offset(next), note }))
        })
        .collect();
    let mut seen = GroupSeen {
        name: "g",
        keeper: "the group",
        now: Some(now),
        rows: None,
        start: AtStart {
            topic: TopicId::new(7),
            logs,
            kept: &kept,
            start_from: StartFrom::Earliest,
            accepted: None,
            sink: "bigquery",
            setting: "set it",
        },
        retention_ms: Some(7 * DAY),
        now_ms: NOW,
    };
    change(&mut seen);
    group(&seen)
}

fn lengths() -> impl Strategy<Value = Vec<(i64, i64)>> {
    prop::collection::vec((0..1_000i64, 0..300i64), 0..12)
        .prop_map(|all| all.into_iter().map(|(begin, length)| (begin, begin + length)).collect())
}

proptest! {
    /// As many as are wanted, as evenly as there are records, and never a record that is not there.
    #[test]
    fn samples_are_spread_over_the_partitions(all in lengths(), most in 0..500usize) {
        let logs = logs(&all);
        let tails = spread(&logs, most);
        let there: i64 = all.iter().map(|(begin, end)| end - begin).sum();
        let kept: usize = tails.iter().map(|tail| tail.keep).sum();
        prop_assert_eq!(kept, most.min(there as usize));
        for tail in &tails {
            let (begin, end) = logs[&tail.part.partition];
            prop_assert!(begin <= tail.part.from && tail.part.to == end);
            prop_assert!(tail.keep as i64 <= end.0 - tail.part.from.0);
        }
        let keep = |partition: &Partition| {
            tails.iter().find(|tail| tail.part.partition == *partition).map_or(0, |tail| tail.keep)
        };
        let largest = logs.keys().map(keep).max().unwrap_or(0);
        for (partition, (begin, end)) in &logs {
            let keep = keep(partition);
            prop_assert!(keep + 1 >= largest || keep as i64 == end.0 - begin.0);
        }
    }

    /// What a run would refuse is what the report calls a failure, and nothing else is.
    #[test]
    fn a_group_fails_where_an_offset_is_outside_of_the_log(
        all in prop::collection::vec((0..100i64, 0..100i64, prop::option::of(0..250i64)), 1..6),
    ) {
        let ends: Vec<(i64, i64)> = all.iter().map(|(begin, length, _)| (*begin, begin + length)).collect();
        let kept: Vec<_> = all.iter().map(|(_, _, next)| next.map(|next| (next, None))).collect();
        let logs = logs(&ends);
        let finding = judged(&logs, &kept, |_| {});
        let outside = all.iter().any(|(begin, length, next)| {
            next.is_some_and(|next| next < *begin || next > begin + length)
        });
        prop_assert_eq!(finding.grade == Grade::WouldFail, outside, "{:?}", finding);
        if !outside {
            let lag: i64 = all.iter().map(|(begin, length, next)| begin + length - next.unwrap_or(*begin)).sum();
            prop_assert_eq!(&finding.facts["lag"], &serde_json::json!(lag));
        }
    }

    /// The verdict is the worst of its findings, in whatever order.
    #[test]
    fn the_verdict_is_the_worst_finding(grades in prop::collection::vec(0..6usize, 0..8)) {
        const ALL: [Grade; 6] = [
            Grade::Ok, Grade::NotSeen, Grade::Note, Grade::DeadLetters, Grade::WouldAlter, Grade::WouldFail,
        ];
        let findings: Vec<Finding> =
            grades.iter().map(|grade| Finding::new("x", ALL[*grade], "")).collect();
        let worst = grades.iter().max().map_or(Grade::Ok, |grade| ALL[*grade]);
        prop_assert_eq!(verdict(&findings), worst);
    }
}

#[test]
fn a_group_behind_the_beginning_is_told_with_what_to_do() {
    let finding = judged(&logs(&[(10, 50), (0, 5)]), &[Some((3, None)), Some((5, None))], |_| {});
    assert_eq!(finding.grade, Grade::WouldFail);
    assert!(
        finding.what.contains("begins at offset 10, after the committed offset 3"),
        "{finding:?}"
    );
    assert!(finding.hint.as_deref().is_some_and(|hint| hint.contains("set it")), "{finding:?}");
}

#[test]
fn records_that_expire_soon_are_told_and_others_are_not() {
    let logs = logs(&[(0, 50), (0, 50)]);
    let with = |first: (i64, i64), second: (i64, i64)| {
        judged(&logs, &[Some((first.0, Some(first.1))), Some((second.0, Some(second.1)))], |_| {})
    };
    assert_eq!(with((10, DAY), (10, 5 * DAY)).grade, Grade::Ok);
    let finding = with((10, DAY), (10, 6 * DAY));
    assert_eq!(finding.grade, Grade::Note);
    assert!(finding.more[0].contains("partition 1 was read up to 6 days ago"), "{finding:?}");
    // All of it is read.
    assert_eq!(with((10, DAY), (50, 6 * DAY)).grade, Grade::Ok);
}

#[test]
fn another_topic_a_missing_right_and_a_new_group_are_told_apart() {
    let logs = logs(&[(0, 50)]);
    let other = judged(&logs, &[Some((5, Some(DAY)))], |seen| seen.start.topic = TopicId::new(8));
    assert_eq!(other.grade, Grade::WouldFail);
    assert!(other.hint.is_some_and(|hint| hint.contains("ACCEPT_TOPIC_ID=")));
    let refused = judged_as(&known("Dead", 0, false), &logs, &[None], |_| {});
    assert_eq!(refused.grade, Grade::WouldFail);
    assert!(refused.what.contains("may not READ the group g"), "{refused:?}");
    let new = judged(&logs, &[None], |_| {});
    assert_eq!((new.grade, &new.facts["lag"]), (Grade::Note, &serde_json::json!(50)));
    assert!(new.what.contains("no offsets yet, it begins at the earliest record"), "{new:?}");
    assert_eq!((&new.more[..], new.hint), (&[][..], None));
}

#[test]
fn a_group_without_offsets_whose_table_has_rows_may_have_lost_them() {
    let logs = logs(&[(10, 60), (0, 9)]);
    let of = |kept: &[Option<(i64, Option<i64>)>], rows, start_from| {
        judged(&logs, kept, |seen| {
            seen.rows = rows;
            seen.start.start_from = start_from;
        })
    };
    let none = [None, None];
    let lost = of(&none, Some(1_200), StartFrom::Earliest);
    assert_eq!(lost.grade, Grade::Note);
    assert!(lost.more[0].contains("about 1200 rows already"), "{lost:?}");
    assert!(lost.more[0].contains("written again"), "{lost:?}");
    assert!(lost.hint.as_ref().is_some_and(|hint| hint.contains("set it")), "{lost:?}");
    let left_out = of(&none, Some(1), StartFrom::Latest);
    assert!(left_out.more[0].contains("about 1 row already"), "{left_out:?}");
    assert!(left_out.more[0].contains("left out"), "{left_out:?}");
    // A new table, one of which nobody says it, and a partition that was added.
    for (kept, rows) in [(none, Some(0)), (none, None), ([Some((20, None)), None], Some(9))] {
        assert_eq!(of(&kept, rows, StartFrom::Earliest).hint, None);
    }
}

#[test]
fn a_table_is_as_bad_as_what_a_run_would_do_to_it() {
    let judged = |change: &dyn Fn(&mut TableLook)| {
        let mut look = TableLook::new("p.d.t", TableSchema { columns: Vec::new() });
        change(&mut look);
        table("table", &look)
    };
    assert_eq!(judged(&|_| {}).grade, Grade::Ok);
    let noted = judged(&|look| look.notes.push("has no partitions".to_owned()));
    assert_eq!((noted.grade, noted.more.len()), (Grade::Note, 1));
    let left_out = judged(&|look| look.left_out.push("note".to_owned()));
    assert_eq!(left_out.grade, Grade::Note);
    assert!(left_out.more[0].contains("lacks note"), "{left_out:?}");
    let altered = judged(&|look| {
        look.changes = (0..30).map(|number| format!("add c{number}: STRING")).collect();
        look.notes.push("has no partitions".to_owned());
    });
    assert_eq!(altered.grade, Grade::WouldAlter);
    assert!(altered.more.contains(&"and 10 more".to_owned()), "{altered:?}");
    assert_eq!(altered.facts["changes"].as_array().map(Vec::len), Some(30));
    let lacking = judged(&|look| {
        look.changes.push("add note: STRING".to_owned());
        look.lacking = Some(vec!["bigquery.tables.update".to_owned()]);
    });
    assert_eq!(lacking.grade, Grade::WouldFail);
    assert!(lacking.what.contains("lacks bigquery.tables.update"), "{lacking:?}");
    let refused = judged(&|look| {
        look.changes.push("add note: STRING".to_owned());
        let (what, hint) = ("write to table p.d.t: id is STRING".to_owned(), "another".to_owned());
        look.refusal = Some(Stop { what, hint, source: None });
    });
    assert_eq!((refused.grade, refused.hint.as_deref()), (Grade::WouldFail, Some("another")));
}
