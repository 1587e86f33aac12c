//! What a writer does next to appending: deliver dead letters, flush, finalize. Each is a task of
//! its own, and its end comes back into the writer's loop.

use std::time::{Duration, Instant};

use super::Task;
use super::finished::Finished;
use crate::error_chain::chain;
use crate::record::{DeadLetter, Event, Position, Reason, Rejection};
use crate::retry::Backoff;
use crate::sink::bigquery::errors::Verdict;
use crate::sink::bigquery::stream::StreamPlace;
use crate::sink::{BatchId, Report};

impl Task {
    pub(super) fn finished(&mut self, finished: Finished) {
        match finished {
            Finished::Recovery => self.report_ready(),
            Finished::Flush(promise) => self.report(Report::Flushed(promise)),
            Finished::Delivery { batch, letters } => {
                self.appender.delivered(batch, letters);
                self.report_settled();
            }
            Finished::Finalize => {}
        }
    }

    pub(super) fn deliver(&mut self, batch: BatchId, letters: Vec<DeadLetter>) {
        let to = self.target.letters.clone();
        self.background.spawn(async move {
            to.send(&letters).await?;
            let letters = letters.iter().map(|letter| letter.rejection.reason).collect();
            Ok(Finished::Delivery { batch, letters })
        });
    }

    /// Delivers the records of refused rows. They are read from Kafka again, because their values
    /// were not kept; one that is gone leaves a letter with its position alone.
    pub(super) fn deliver_refused(&mut self, batch: BatchId, refused: Vec<(Position, String)>) {
        let (to, reread) = (self.target.letters.clone(), self.target.reread.clone());
        self.background.spawn(async move {
            let mut letters = Vec::with_capacity(refused.len());
            for (at, detail) in refused {
                let rejection = Rejection { reason: Reason::RowError, detail, event_type: None };
                let letter = reread.reread(at, rejection.clone()).await;
                letters
                    .push(letter.unwrap_or_else(|| DeadLetter::of(&Event::unknown(at), rejection)));
            }
            to.send(&letters).await?;
            Ok(Finished::Delivery { batch, letters: vec![Reason::RowError; letters.len()] })
        });
    }

    /// Flushes until it is acknowledged. A refusal for good stops the instance: the rows that were
    /// promised would be missing for ever, and nobody would know.
    pub(super) fn flush(&mut self, place: StreamPlace, finished: Finished) {
        let (bigquery, channel) = (self.target.bigquery.clone(), self.channel.clone());
        let (lane, reports) = (self.lane, self.reports.clone());
        self.background.spawn(async move {
            let began = Instant::now();
            let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(10));
            loop {
                let Err(error) = bigquery.flush(&channel, &place).await else { break };
                match error.verdict() {
                    Verdict::Retry | Verdict::RetrySlowly => {
                        tracing::warn!(error = %chain(&error), "retrying a flush");
                        reports.send(lane, Report::Waiting);
                        tokio::time::sleep(backoff.pause()).await;
                    }
                    // Flushed before: the answer was lost, or the previous owner flushed. Beam's
                    // connector reads it the same way.
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
            Ok(finished)
        });
    }

    /// Finalizes the stream of a promise that no commit names any more, so that BigQuery forgets it
    /// sooner. Best effort. The stream that rows still go to stays open.
    pub(super) fn retire(&mut self, place: StreamPlace) {
        if self.appender.is_on(&place.stream) {
            return;
        }
        let (bigquery, channel) = (self.target.bigquery.clone(), self.channel.clone());
        self.background.spawn(async move {
            if let Err(error) = bigquery.finalize(&channel, &place.stream.0).await {
                tracing::debug!(error = %chain(&error), "a used-up write stream was not finalized");
            }
            Ok(Finished::Finalize)
        });
    }
}
