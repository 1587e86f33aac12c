//! What a writer does beside its stream: dead letters, flushes, streams done with. Each runs by
//! itself, and its end comes back into the loop.

use std::time::{Duration, Instant};

use super::Task;
use crate::record::{DeadLetter, Position, Reason, Rejection};
use crate::retry::Backoff;
use crate::sink::bigquery::errors::Verdict;
use crate::sink::{BatchId, Report, StreamName, StreamPlace};

/// What ran beside the loop and came to its end.
pub(super) enum Beside {
    Recovered,
    Flushed(StreamPlace),
    Delivered { batch: BatchId, letters: Vec<Reason> },
    Nothing,
}

impl Task {
    pub(super) fn finished(&mut self, done: Beside) {
        match done {
            Beside::Recovered => self.report(Report::Recovered),
            Beside::Flushed(place) => self.report(Report::Flushed(place)),
            Beside::Delivered { batch, letters } => {
                self.unsettled.delivered(batch, letters);
                self.settle();
            }
            Beside::Nothing => {}
        }
    }

    pub(super) fn deliver(&mut self, batch: BatchId, letters: Vec<DeadLetter>) {
        let target = self.parts.letters.clone();
        self.beside.spawn(async move {
            target.send(&letters).await?;
            let letters = letters.iter().map(|letter| letter.rejection.reason).collect();
            Ok(Beside::Delivered { batch, letters })
        });
    }

    /// Reads the refused rows' records again, because their values were not kept.
    pub(super) fn deliver_refused(&mut self, batch: BatchId, refused: Vec<(Position, String)>) {
        let (target, reread) = (self.parts.letters.clone(), self.parts.reread.clone());
        self.beside.spawn(async move {
            let mut letters = Vec::with_capacity(refused.len());
            for (at, detail) in refused {
                let again = reread.reread(at).await;
                let rejection = Rejection { reason: Reason::RowError, detail, event_type: None };
                letters.push(match again {
                    Some(letter) => DeadLetter { rejection, ..letter },
                    None => DeadLetter::new(at, None, None, Vec::new(), None, rejection),
                });
            }
            target.send(&letters).await?;
            Ok(Beside::Delivered { batch, letters: vec![Reason::RowError; letters.len()] })
        });
    }

    /// Flushes until it is acknowledged. A stream that refuses for good stops the instance: the
    /// rows it promised would be missing for ever, and nobody would know.
    pub(super) fn flush(&mut self, place: StreamPlace, done: Beside) {
        let (bigquery, channel) = (self.bigquery.clone(), self.channel.clone());
        let (lane, reports) = (self.parts.lane, self.parts.reports.clone());
        self.beside.spawn(async move {
            let began = Instant::now();
            let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(10));
            loop {
                let Err(error) = bigquery.flush(&channel, &place).await else { break };
                match error.verdict() {
                    Verdict::Retry | Verdict::RetrySlowly => {
                        tracing::warn!(error = %error, "flush again");
                        reports.send(lane, Report::Waiting);
                        tokio::time::sleep(backoff.pause()).await;
                    }
                    // Flushed before, as Beam's connector reads it too: the answer was lost, or the
                    // promise is the previous owner's.
                    Verdict::AlreadyExists => break,
                    Verdict::FreshStream | Verdict::Stop(_) => {
                        return Err(error.stop(
                            "rows that a commit promised cannot be made visible. Look in the table \
                             for the offsets before the committed one; if all are there, drop the \
                             promise with kafka-consumer-groups --reset-offsets --to-current \
                             --execute; if not, reset to the first that is missing",
                        ));
                    }
                }
            }
            bigquery.metrics().flush_seconds.observe(began.elapsed().as_secs_f64());
            Ok(done)
        });
    }

    /// Best effort: BigQuery forgets the stream sooner.
    pub(super) fn finalize(&mut self, stream: StreamName) {
        let (bigquery, channel) = (self.bigquery.clone(), self.channel.clone());
        self.beside.spawn(async move {
            if let Err(error) = bigquery.finalize(&channel, &stream.0).await {
                tracing::debug!(error = %error, "a used-up write stream was not finalized");
            }
            Ok(Beside::Nothing)
        });
    }
}
