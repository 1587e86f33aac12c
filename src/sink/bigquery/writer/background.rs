//! What a writer does next to appending: deliver dead letters, flush, finalize. Each is a task of
//! its own. The end of the first two comes back into the writer's loop.

use std::time::{Duration, Instant};

use super::Task;
use super::finished::Finished;
use crate::error_chain::chain;
use crate::record::DeadLetter;
use crate::retry::Backoff;
use crate::sink::bigquery::appender::RefusedRow;
use crate::sink::bigquery::errors::Verdict;
use crate::sink::bigquery::stream::{StreamName, StreamPlace};
use crate::sink::reread::letter_of_refused_row;
use crate::sink::{BatchId, Report};
use crate::telemetry::Waits;

impl Task {
    pub(super) fn finished(&mut self, finished: Finished) {
        match finished {
            Finished::Recovery => self.report_ready(),
            Finished::Flush(promise) => self.report(Report::Flushed(promise)),
            Finished::Fenced => self.report(Report::Fenced),
            Finished::Delivery { batch, letters } => {
                self.appender.delivered(batch, letters);
                self.report_settled();
            }
        }
    }

    pub(super) fn deliver(&mut self, batch: BatchId, letters: Vec<DeadLetter>) {
        let to = self.target.letters.clone();
        let report_retry = self.retry_reporter();
        self.background.spawn(async move {
            to.send(&letters, &report_retry).await?;
            let letters = letters.iter().map(DeadLetter::rejected).collect();
            Ok(Finished::Delivery { batch, letters })
        });
    }

    /// Delivers the records of refused rows. They are read from Kafka again, because their values
    /// were not kept.
    pub(super) fn deliver_refused(&mut self, batch: BatchId, refused: Vec<RefusedRow>) {
        let target = self.target.clone();
        let report_retry = self.retry_reporter();
        self.background.spawn(async move {
            let mut letters = Vec::with_capacity(refused.len());
            for RefusedRow { at, row, message } in refused {
                let (reread, columns) = (&*target.reread, &target.columns);
                letters.push(letter_of_refused_row(reread, columns, (at, &row), message).await);
                // Reading may take a minute for each record while the broker is away.
                report_retry();
            }
            target.letters.send(&letters, &report_retry).await?;
            let letters = letters.iter().map(DeadLetter::rejected).collect();
            Ok(Finished::Delivery { batch, letters })
        });
    }

    /// What a task calls whenever it retries, so that waiting for a peer counts as progress.
    fn retry_reporter(&self) -> impl Fn() + Send + Sync + use<> {
        let (lane, reports) = (self.lane, self.reports.clone());
        move || reports.send(lane, Report::Waiting(Waits::Away))
    }

    /// Flushes until it is acknowledged. A refusal for good stops the instance: the rows that were
    /// promised would be missing for ever, and nobody would know. A stream that was finalized is no
    /// reason to stop yet, see [`FinalizedStreams`](crate::sink::bigquery::target::FinalizedStreams).
    pub(super) fn flush(&mut self, place: StreamPlace, finished: Finished) {
        let (target, channel) = (self.target.clone(), self.channel.clone());
        let report_retry = self.retry_reporter();
        self.background.spawn(async move {
            let bigquery = &target.bigquery;
            let began = Instant::now();
            let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(10));
            loop {
                let Err(error) = bigquery.flush(&channel, &place).await else { break };
                let verdict = match error.verdict() {
                    // Some servers may not know the table yet.
                    Verdict::NotFound(_) if target.rows.is_new() => Verdict::Retry,
                    verdict => verdict,
                };
                match verdict {
                    Verdict::Retry | Verdict::RetrySlowly => {
                        tracing::warn!(error = %chain(&error), "retrying a flush");
                        report_retry();
                        tokio::time::sleep(backoff.pause()).await;
                    }
                    // Flushed before: the answer was lost, or the previous owner flushed. Beam's
                    // connector reads it the same way.
                    Verdict::AlreadyExists => break,
                    Verdict::FreshStream
                        if error.is_finalized() && target.finalized.is_first(&place.stream) =>
                    {
                        let error = chain(&error);
                        tracing::warn!(
                            error,
                            "the partition's next owner has finalized the stream"
                        );
                        return Ok(Finished::Fenced);
                    }
                    Verdict::NotFound(_) | Verdict::FreshStream | Verdict::Stop(_) => {
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
    /// sooner. The stream that rows may still go to stays open until the lane is closed.
    pub(super) fn retire(&mut self, place: StreamPlace) {
        if self.appender.is_on(&place.stream) {
            self.unnamed = Some(place.stream);
        } else {
            self.finalize(place.stream);
        }
    }

    /// Best effort, and not ended with the writer. The session's end waits for it for a moment: as long
    /// as somebody could still report.
    pub(super) fn finalize(&self, stream: StreamName) {
        let (bigquery, channel) = (self.target.bigquery.clone(), self.channel.clone());
        let reports = self.reports.clone();
        tokio::spawn(async move {
            if let Err(error) = bigquery.finalize(&channel, &stream.0).await {
                tracing::debug!(error = %chain(&error), "a used-up write stream was not finalized");
            }
            drop(reports);
        });
    }
}
