//! Parts of a domain's topic that are read again, and the table that lacks rows of them.
//!
//! A consumer may still make rows visible that it has committed, and will read what it has not. So a
//! part ends where the table's rows of its partition end, and where the group has come to.

use std::time::Duration;

use rdkafka::config::ClientConfig;

use super::domain::Domain;
use super::error::AppError;
use super::fill::{fill_settings, settled};
use super::verify::{OpenedTable, check_topic, committed_rows, open_table, reading_again};
use crate::clock::Clock;
use crate::config::{Settings, TransferSettings};
use crate::record::{Offset, Partition};
use crate::shutdown::Shutdown;
use crate::source::{Offsets, Part, TopicError, TopicParts};
use crate::stop::Stop;
use crate::transfer::source::{PartsSource, ReadAgain, Source};
use crate::verify::{self, Part as TablePart, Span, Verified};

/// The name of replays where transfers have theirs: in leases, staging tables and the table of runs.
const NAME: &str = "replay";

/// What is to be read again.
#[derive(Debug, Clone, Copy)]
pub struct ReplayOf {
    /// Only the offsets of rows that other rows name and the table does not have.
    pub gaps: bool,
    /// From here on. `None`: from where the log begins.
    pub from: Option<Edge>,
    /// To before this. `None`: to where the rows end.
    pub to: Option<Edge>,
    /// `None`: all.
    pub partition: Option<Partition>,
    /// Bytes that a query on BigQuery may be billed for.
    pub most_bytes: Option<u64>,
    /// How long a replay that was killed keeps the next one away.
    pub lease: Duration,
    /// Nothing is to be written: also says how much of it is there.
    pub dry_run: bool,
}

/// A beginning or an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    Offset(Offset),
    /// The first record of this time, in milliseconds since the epoch, or later.
    Time(i64),
}

/// A replay that is ready to run.
pub struct OpenedReplay {
    pub settings: TransferSettings,
    pub opened: OpenedTable,
    /// Taken out for the run.
    pub source: Source,
    pub left: Vec<Left>,
    /// Offsets in the parts that have a row already; only a dry run asks.
    pub there: Option<u64>,
    pub bytes_billed: u64,
}

/// Offsets that are not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    pub partition: Partition,
    pub span: Span,
    pub why: Why,
}

/// Why offsets are not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The broker does not have them any more.
    Gone,
    /// The instances of the group have them before them, or have yet to make their rows visible.
    Instances,
    /// No row stands before them, so nobody knows where what is missing begins.
    NoBeginning,
}

/// Finds what there is to read, and checks that it may be written.
pub async fn open_replay(
    settings: &Settings,
    domain: &Domain,
    of: &ReplayOf,
    shutdown: Shutdown,
) -> Result<OpenedReplay, AppError> {
    let config = reading_again(NAME, settings, domain)?;
    let opened = open_table(NAME, settings, of.most_bytes).await?;
    // Read before the table, so that what is committed then has its rows there.
    let committed = committed_rows(settings, domain, &opened.table).await?.unwrap_or_default();
    let asked = opened.table.ask(TablePart::default(), opened.letters);
    let mut bytes_billed = 0;
    let verified = verify::verify(&opened.table, &asked, None).await?;
    bytes_billed += verified.bytes_billed;
    let reached = |(partition, chain): (&Partition, &verify::PartitionChain)| {
        // A dead letter may be there before the rows before it.
        Some((*partition, chain.ends?.to))
    };
    let last_rows: Offsets = verified.chains.iter().filter_map(reached).collect();
    let gaps = gaps(&verified);
    let settled = settled(&committed, &last_rows);
    let (topic, edges) = (domain.contract.topic.clone(), (of.from, of.to));
    let found = tokio::task::spawn_blocking(move || Log::ask(config, &topic, edges, shutdown));
    let failed = || "ask the brokers which offsets there are";
    let hint = "replay reads the topic without joining the group: it needs READ and DESCRIBE on it";
    let found = found.await.map_err(|error| Stop::new(failed(), hint, error))?;
    let log = found.map_err(|error| Stop::new(failed(), hint, error))?;
    check_topic(&committed, &domain.contract.topic, log.topic.id())?;
    if let Some(partition) = of.partition.filter(|partition| !log.begins.contains_key(partition)) {
        return Err(AppError::Configuration {
            what: format!("the topic {} has no partition {partition}", domain.contract.topic),
            hint: Some(format!(
                "it has the partitions 0 to {}",
                log.begins.len().saturating_sub(1)
            )),
            source: None,
        });
    }
    let (mut parts, mut left) = match of.gaps {
        false => (ranges(&log.from, &log.to, &gaps), Vec::new()),
        true => within(gaps, &log, of.from.is_some()),
    };
    let is_asked = |partition| of.partition.is_none_or(|only| partition == only);
    parts.retain(|one| is_asked(one.part.partition));
    left.retain(|one| is_asked(one.partition));
    let (again, not_read) = cut(&parts, &log.begins, &settled);
    left.extend(not_read);
    let of_again: Vec<(Partition, Span)> = again
        .iter()
        .map(|one| {
            let Part { partition, from, to } = one.part;
            (partition, Span { from, to: Offset(to.0 - 1) })
        })
        .collect();
    let (letters, billed) = opened.table.letters_in(&asked, &of_again).await?;
    bytes_billed += billed;
    let mut there = None;
    if of.dry_run {
        let (found, billed) = opened.table.rows_in(&asked, &of_again).await?;
        (there, bytes_billed) = (Some(found), bytes_billed + billed);
    }
    let source = PartsSource::new(log.topic, again, letters, Clock::System.now_micros());
    Ok(OpenedReplay {
        settings: fill_settings(NAME, settings, of.lease),
        opened,
        source: Source::Parts(source),
        left,
        there,
        bytes_billed,
    })
}

/// What the brokers say.
struct Log {
    topic: TopicParts,
    begins: Offsets,
    /// Where each partition's part begins and ends.
    from: Offsets,
    to: Offsets,
}

impl Log {
    fn ask(
        config: ClientConfig,
        topic: &str,
        (from, to): (Option<Edge>, Option<Edge>),
        shutdown: Shutdown,
    ) -> Result<Self, TopicError> {
        let (topic, mut reader) = TopicParts::open(config, topic, shutdown)?;
        let (begins, ends) = (topic.begins(&reader)?, topic.ends(&mut reader)?);
        let at = |edge: Option<Edge>, open: &Offsets| match edge {
            None => Ok(open.clone()),
            Some(Edge::Offset(at)) => Ok(open.keys().map(|partition| (*partition, at)).collect()),
            Some(Edge::Time(ms)) => {
                // Brokers take a time before 1970 for a mistake.
                let found = topic.offsets_at(&reader, ms.max(0))?;
                let at = |(partition, end): (&Partition, &Offset)| {
                    (*partition, found.get(partition).copied().unwrap_or(*end))
                };
                Ok::<_, TopicError>(ends.iter().map(at).collect())
            }
        };
        let (from, to) = (at(from, &begins)?, at(to, &ends)?);
        Ok(Self { topic, begins, from, to })
    }
}

/// The offsets of missing rows. Each place says which row is before it, unless the partition begins with
/// it.
fn gaps(verified: &Verified) -> Vec<ReadAgain> {
    let of = |(partition, chain): (&Partition, &verify::PartitionChain)| {
        let gap = |missing: &verify::Missing| {
            let Span { from, to } = missing.span;
            let previous = Some(Offset(from.0 - 1)).filter(|before| before.0 >= 0);
            ReadAgain { part: Part { partition: *partition, from, to: to.next() }, previous }
        };
        chain.missing.iter().map(gap).collect::<Vec<_>>()
    };
    verified.chains.iter().flat_map(of).collect()
}

/// The gaps, as far as they are in the part that is asked for. `has_begin`: somebody said where it begins.
fn within(gaps: Vec<ReadAgain>, log: &Log, has_begin: bool) -> (Vec<ReadAgain>, Vec<Left>) {
    let (mut parts, mut left) = (Vec::new(), Vec::new());
    for mut gap in gaps {
        let Part { partition, from, to } = gap.part;
        if gap.previous.is_none() && !has_begin {
            let span = Span { from, to: Offset(to.0 - 1) };
            left.push(Left { partition, span, why: Why::NoBeginning });
            continue;
        }
        // A gap that begins before the part is read from its beginning, see `ranges`.
        if log.from.get(&partition).is_some_and(|begin| *begin >= to && has_begin) {
            continue;
        }
        if let Some(end) = log.to.get(&partition) {
            gap.part.to = to.min(*end);
        }
        parts.push(gap);
    }
    (parts, left)
}

/// From each beginning to before the end of the same partition. Whether rows are missing before it, nobody
/// knows. One that is in a gap is moved to the gap's beginning: the first row that is inserted would begin a
/// chain, and what is missing before it would no longer be known to be missing.
fn ranges(from: &Offsets, to: &Offsets, gaps: &[ReadAgain]) -> Vec<ReadAgain> {
    let of = |(partition, from): (&Partition, &Offset)| {
        let part = Part { partition: *partition, from: *from, to: *to.get(partition)? };
        let mut gaps = gaps.iter().filter(|gap| {
            gap.part.partition == *partition && (gap.part.from..gap.part.to).contains(from)
        });
        Some(match gaps.next() {
            Some(gap) if part.from < part.to => {
                ReadAgain { part: Part { from: gap.part.from, ..part }, previous: gap.previous }
            }
            _ => ReadAgain { part, previous: None },
        })
    };
    from.iter().filter_map(of).collect()
}

/// What is read of the parts, and what is left.
fn cut(parts: &[ReadAgain], begins: &Offsets, settled: &Offsets) -> (Vec<ReadAgain>, Vec<Left>) {
    let (mut again, mut left) = (Vec::new(), Vec::new());
    for one in parts {
        let Part { partition, from, to } = one.part;
        let begin = begins.get(&partition).copied().unwrap_or(Offset(0)).clamp(from, to.max(from));
        let end = settled.get(&partition).copied().unwrap_or(Offset(0)).clamp(begin, to.max(begin));
        let mut leave = |from: Offset, to: Offset, why| {
            if from < to {
                let span = Span { from, to: Offset(to.0 - 1) };
                left.push(Left { partition, span, why });
            }
        };
        leave(from, begin, Why::Gone);
        leave(end, to, Why::Instances);
        if begin < end {
            let previous = one.previous.filter(|_| begin == from);
            again.push(ReadAgain { part: Part { partition, from: begin, to: end }, previous });
        }
    }
    (again, left)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARTITION: Partition = Partition(0);

    fn part(from: i64, to: i64, previous: Option<i64>) -> ReadAgain {
        let part = Part { partition: PARTITION, from: Offset(from), to: Offset(to) };
        ReadAgain { part, previous: previous.map(Offset) }
    }

    fn at(offset: i64) -> Offsets {
        Offsets::from([(PARTITION, Offset(offset))])
    }

    #[test]
    fn a_part_that_begins_in_a_gap_is_read_from_its_beginning() {
        let gap = part(5, 31, Some(4));
        let ranges = |from: i64, to: i64| ranges(&at(from), &at(to), &[gap]);
        assert_eq!(ranges(15, 20), [part(5, 20, Some(4))]);
        assert_eq!(ranges(5, 20), [part(5, 20, Some(4))]);
        assert_eq!(ranges(30, 40), [part(5, 40, Some(4))]);
        assert_eq!(ranges(31, 40), [part(31, 40, None)]);
        assert_eq!(ranges(0, 40), [part(0, 40, None)]);
        assert_eq!(ranges(20, 20), [part(20, 20, None)], "nothing is asked for");
    }

    proptest! {
        /// Each offset that is asked for is read or said to be left, and none is read that the broker
        /// lacks or that an instance may still write.
        #[test]
        fn every_offset_is_read_or_left(
            (from, length, begin, end) in (0_i64..50, 0_i64..50, 0_i64..80, 0_i64..80)
        ) {
            let (again, left) = cut(&[part(from, from + length, Some(from - 1))], &at(begin), &at(end));
            for offset in 0..120 {
                let read = again.iter().any(|one| {
                    (one.part.from.0..one.part.to.0).contains(&offset)
                });
                let left: Vec<Why> = left
                    .iter()
                    .filter(|one| (one.span.from.0..=one.span.to.0).contains(&offset))
                    .map(|one| one.why)
                    .collect();
                let asked = (from..from + length).contains(&offset);
                prop_assert_eq!(usize::from(read) + left.len(), usize::from(asked));
                prop_assert!(!read || (offset >= begin && offset < end));
                if let [why] = left[..] {
                    let expected = if offset < begin { Why::Gone } else { Why::Instances };
                    prop_assert_eq!(why, expected);
                }
            }
            // The row before is known only where nothing was cut off.
            for one in &again {
                prop_assert_eq!(one.previous.is_some(), begin <= from);
            }
        }
    }
}
