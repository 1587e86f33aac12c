//! Letters in a topic of Kafka, read by a group of their own that is never joined: what it has committed
//! is dealt with, so its lag is the backlog.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use rdkafka::config::ClientConfig;
use tokio::runtime::Handle;

use super::groups::{Backlog, Gathered, Overview};
use super::letter::Letter;
use super::message;
use super::selection::{Period, Selection};
use super::standing::{Record, standings};
use super::stream::{To, ended};
use crate::record::{Event, Offset};
use crate::shutdown::Shutdown;
use crate::source::{Offsets, Part, TopicError, TopicParts, TopicReader};
use crate::stop::Stop;
use crate::verify::Table;

/// Letters whose places are asked for at once: so many, or so many bytes of values.
const ASKED: usize = 500;
const ASKED_BYTES: usize = 16 << 20;

/// A topic of dead letters.
#[derive(Clone)]
pub struct LetterTopic {
    /// A consumer's, with `group.id` of the letters' group and `auto.offset.reset=error`.
    pub config: ClientConfig,
    pub topic: String,
    /// The group whose committed offsets say what is dealt with.
    pub group: String,
    /// Also the letters that are dealt with.
    pub all: bool,
    /// Whether there are marks among the letters, which say what is dealt with where the group's offset is
    /// gone. Brokers forget the offsets of a group without members after a week.
    pub has_marks: bool,
    /// Nothing is read from these offsets on.
    pub until: Option<Offsets>,
    /// The table that gets the rows, which is asked for them where a selection wants to know.
    pub rows: Option<Table>,
    pub shutdown: Shutdown,
}

/// How far a group was moved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moved {
    pub group: String,
    /// Offsets that it has passed.
    pub passed: u64,
    /// Offsets that are left.
    pub left: u64,
}

impl LetterTopic {
    /// Groups the letters. Blocks.
    pub(super) fn groups(&self, period: Period) -> Result<Overview, Stop> {
        let (parts, _, mut backlog) = self.open().map_err(|error| self.stop(error))?;
        let mut gathered = Gathered::default();
        let selection = Selection { period, ..Selection::default() };
        let mut foreign = 0;
        let mut take = |event: &Event<'_>| match message::read(event) {
            Some(letter) if selection.has(&letter) => gathered.add(&letter),
            Some(_) => {}
            None => foreign += u64::from(message::passed(event).is_none()),
        };
        let read = parts.read(&spans(&backlog), &mut take, &mut || ControlFlow::Continue(()));
        read.map_err(|error| self.stop(error))?;
        backlog.foreign = foreign;
        Ok(Overview { backlog: Some(backlog), ..gathered.overview() })
    }

    /// Reads the letters of a selection. Blocks.
    pub(super) fn letters(&self, selection: &Selection, to: &To) -> Result<(), Stop> {
        let (parts, _, backlog) = self.open().map_err(|error| self.stop(error))?;
        let mut asking = Asking::new(self.rows.as_ref().filter(|_| selection.known), to);
        let left = std::cell::Cell::new(selection.limit.unwrap_or(u64::MAX));
        let mut wanted: BTreeSet<_> = selection.positions.iter().copied().collect();
        let done = std::cell::Cell::new(left.get() == 0);
        let mut take = |event: &Event<'_>| {
            let Some(mut letter) = message::read(event) else { return };
            if done.get() || !selection.has(&letter) {
                return;
            }
            if !selection.values {
                letter.event.record.value = None;
            }
            wanted.remove(&letter.at());
            left.set(left.get() - 1);
            let is_last = left.get() == 0 || (!selection.positions.is_empty() && wanted.is_empty());
            done.set(asking.put(letter).is_break() || is_last);
        };
        let mut turn = || match done.get() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        parts.read(&spans(&backlog), &mut take, &mut turn).map_err(|error| self.stop(error))?;
        asking.end()
    }

    /// Where the letters of now end.
    pub async fn ends(self) -> Result<Offsets, Stop> {
        let opened = tokio::task::spawn_blocking(move || {
            let (_, _, backlog) = self.open().map_err(|error| self.stop(error))?;
            Ok(backlog.read.into_iter().map(|(partition, (_, end))| (partition, end)).collect())
        });
        opened.await.map_err(ended)?
    }

    /// Moves the group behind letters that are dealt with, and never back.
    pub async fn pass(self, to: Offsets) -> Result<Moved, Stop> {
        tokio::task::spawn_blocking(move || self.pass_blocking(&to)).await.map_err(ended)?
    }

    fn pass_blocking(self, to: &Offsets) -> Result<Moved, Stop> {
        let topic = Self { all: false, ..self };
        let (parts, reader, backlog) = topic.open().map_err(|error| topic.stop(error))?;
        let mut moved = Moved { group: topic.group.clone(), ..Moved::default() };
        let mut commit = Offsets::new();
        for (partition, (from, end)) in &backlog.read {
            let to = to.get(partition).copied().unwrap_or(*from).clamp(*from, *end);
            moved.passed += u64::try_from(to.0 - from.0).unwrap_or(0);
            moved.left += u64::try_from(end.0 - to.0).unwrap_or(0);
            if to > *from {
                commit.insert(*partition, to);
            }
        }
        parts.commit(&reader, &commit).map_err(|error| topic.not_moved(error))?;
        Ok(moved)
    }

    /// What a failed commit says.
    pub(super) fn not_moved(
        &self,
        error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Stop {
        let what = format!("move the group {} behind letters that are dealt with", self.group);
        let hint = "the rows are there, and the same command again makes no others. Nobody may be a \
                    member of this group, and the principal needs READ on it";
        Stop::new(what, hint, error)
    }

    /// The parts to read: from what the group has committed to the ends of now.
    pub(super) fn open(&self) -> Result<(TopicParts, TopicReader, Backlog), TopicError> {
        let (parts, mut reader) =
            TopicParts::open(self.config.clone(), &self.topic, self.shutdown.clone())?;
        let ends = parts.ends(&mut reader)?;
        let begins = parts.begins(&reader)?;
        let committed = parts.committed(&reader)?;
        let mut backlog = Backlog { is_committed: !committed.is_empty(), ..Backlog::default() };
        for (partition, end) in ends {
            let begin = begins.get(&partition).copied().unwrap_or(Offset(0));
            let mut committed = committed.get(&partition).copied().filter(|_| !self.all);
            let until = self.until.as_ref().and_then(|until| until.get(&partition).copied());
            let is_known = committed.is_some_and(|at| (begin..=end).contains(&at));
            if self.has_marks && !self.all && !is_known {
                committed = marked(&parts, Part { partition, from: begin, to: end })?;
            }
            let (from, to) = to_read((begin, end), committed, until);
            backlog.before += u64::try_from(from.0 - begin.0).unwrap_or(0);
            backlog.read.insert(partition, (from, to));
        }
        Ok((parts, reader, backlog))
    }

    pub(super) fn stop(&self, error: TopicError) -> Stop {
        Stop::new(
            format!("read the dead letters of topic {}", self.topic),
            format!(
                "the principal needs READ on the topic, and READ on the group {} whose offsets say \
                 what is dealt with",
                self.group
            ),
            error,
        )
    }
}

/// Hands letters on, with what the table has at their places, many of which are asked for at once.
struct Asking<'a> {
    rows: Option<&'a Table>,
    to: &'a To,
    waiting: Vec<Letter>,
    bytes: usize,
    failed: Option<Stop>,
}

impl<'a> Asking<'a> {
    fn new(rows: Option<&'a Table>, to: &'a To) -> Self {
        Self { rows, to, waiting: Vec::new(), bytes: 0, failed: None }
    }

    fn put(&mut self, letter: Letter) -> ControlFlow<()> {
        let Some(rows) = self.rows else { return self.to.put_blocking(Ok(letter)) };
        self.bytes += letter.record().value.as_ref().map_or(0, Vec::len);
        self.waiting.push(letter);
        match self.waiting.len() < ASKED && self.bytes < ASKED_BYTES {
            true => ControlFlow::Continue(()),
            false => self.hand_on(rows),
        }
    }

    fn hand_on(&mut self, rows: &Table) -> ControlFlow<()> {
        self.bytes = 0;
        let records: Vec<Record> = self.waiting.iter().map(Letter::key).collect();
        let asked = Handle::current().block_on(standings(rows, &records));
        let (standings, billed) = match asked {
            Ok(asked) => asked,
            Err(stop) => {
                self.failed = Some(stop);
                return ControlFlow::Break(());
            }
        };
        self.to.billed(billed);
        for mut letter in self.waiting.drain(..) {
            letter.standing = Some(standings.get(&letter.key()).copied().unwrap_or_default());
            self.to.put_blocking(Ok(letter))?;
        }
        ControlFlow::Continue(())
    }

    fn end(mut self) -> Result<(), Stop> {
        if let Some(rows) = self.rows
            && self.failed.is_none()
        {
            // A break: nobody takes them any more.
            let _ = self.hand_on(rows);
        }
        self.failed.map_or(Ok(()), Err)
    }
}

/// What the last mark of a partition says.
fn marked(parts: &TopicParts, part: Part) -> Result<Option<Offset>, TopicError> {
    let mut marked = None;
    let mut take = |event: &Event<'_>| marked = marked.max(message::passed(event));
    parts.read(&[part], &mut take, &mut || ControlFlow::Continue(()))?;
    Ok(marked)
}

/// The part of a log to read: from what is committed to the end, or to `until`.
fn to_read(
    (begin, end): (Offset, Offset),
    committed: Option<Offset>,
    until: Option<Offset>,
) -> (Offset, Offset) {
    // An offset outside of the log is one of a topic that was there before, or letters have expired.
    let committed = committed.filter(|at| (begin..=end).contains(at)).unwrap_or(begin);
    let to = until.unwrap_or(end).clamp(begin, end);
    // Somebody may have committed more since `until` was the end.
    (committed.min(to), to)
}

pub(super) fn spans(backlog: &Backlog) -> Vec<Part> {
    let part = |(partition, (from, to)): (&_, &(Offset, Offset))| Part {
        partition: *partition,
        from: *from,
        to: *to,
    };
    backlog.read.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_begins_where_the_group_is_and_never_behind_its_end() {
        let read = |committed: Option<i64>, until: Option<i64>| {
            let log = (Offset(10), Offset(50));
            let (from, to) = to_read(log, committed.map(Offset), until.map(Offset));
            (from.0, to.0)
        };
        assert_eq!(read(None, None), (10, 50));
        assert_eq!(read(Some(20), None), (20, 50));
        assert_eq!(read(Some(50), None), (50, 50));
        // Of a topic that was there before; letters that have expired.
        assert_eq!((read(Some(51), None), read(Some(9), None)), ((10, 50), (10, 50)));
        assert_eq!(read(Some(20), Some(40)), (20, 40));
        assert_eq!(read(Some(45), Some(40)), (40, 40), "somebody has gone on");
        assert_eq!(read(Some(20), Some(5)), (10, 10), "all of it has expired");
    }
}
