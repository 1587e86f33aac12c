//! Letters in a topic of Kafka, read by a group of their own that is never joined: what it has committed
//! is dealt with, so its lag is the backlog.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use rdkafka::config::ClientConfig;

use super::groups::{Backlog, Gathered, Overview};
use super::message;
use super::selection::{Period, Selection};
use super::stream::To;
use crate::record::{Event, Offset};
use crate::shutdown::Shutdown;
use crate::source::{Part, TopicError, TopicParts};
use crate::stop::Stop;

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
    pub shutdown: Shutdown,
}

impl LetterTopic {
    /// Groups the letters. Blocks.
    pub(super) fn groups(&self, period: Period) -> Result<Overview, Stop> {
        let (parts, mut backlog) = self.open().map_err(|error| self.stop(error))?;
        let mut gathered = Gathered::default();
        let selection = Selection { period, ..Selection::default() };
        let mut foreign = 0;
        let mut take = |event: &Event<'_>| match message::read(event) {
            Some(letter) if selection.has(&letter) => gathered.add(&letter),
            Some(_) => {}
            None => foreign += 1,
        };
        let read = parts.read(&spans(&backlog), &mut take, &mut || ControlFlow::Continue(()));
        read.map_err(|error| self.stop(error))?;
        backlog.foreign = foreign;
        Ok(Overview { backlog: Some(backlog), ..gathered.overview() })
    }

    /// Reads the letters of a selection. Blocks.
    pub(super) fn letters(&self, selection: &Selection, to: &To) -> Result<(), Stop> {
        let (parts, backlog) = self.open().map_err(|error| self.stop(error))?;
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
            done.set(to.put_blocking(Ok(letter)).is_break() || is_last);
        };
        let mut turn = || match done.get() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        parts.read(&spans(&backlog), &mut take, &mut turn).map_err(|error| self.stop(error))
    }

    /// The parts to read: from what the group has committed to the ends of now.
    fn open(&self) -> Result<(TopicParts, Backlog), TopicError> {
        let (parts, mut reader) =
            TopicParts::open(self.config.clone(), &self.topic, self.shutdown.clone())?;
        let ends = parts.ends(&mut reader)?;
        let begins = parts.begins(&reader)?;
        let committed = parts.committed(&reader)?;
        let mut backlog = Backlog { is_committed: !committed.is_empty(), ..Backlog::default() };
        for (partition, end) in ends {
            let begin = begins.get(&partition).copied().unwrap_or(Offset(0));
            // An offset beyond the end is one of a topic that was there before.
            let committed = committed.get(&partition).filter(|at| **at >= begin && **at <= end);
            let from = committed.copied().filter(|_| !self.all).unwrap_or(begin);
            backlog.before += u64::try_from(from.0 - begin.0).unwrap_or(0);
            backlog.read.insert(partition, (from, end));
        }
        Ok((parts, backlog))
    }

    fn stop(&self, error: TopicError) -> Stop {
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

fn spans(backlog: &Backlog) -> Vec<Part> {
    let part = |(partition, (from, to)): (&_, &(Offset, Offset))| Part {
        partition: *partition,
        from: *from,
        to: *to,
    };
    backlog.read.iter().map(part).collect()
}
