//! The channels between the pipeline's thread and a writer task: commands to it, reports from it.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, Thread};

use tokio::sync::mpsc::UnboundedSender;

use super::messages::{Command, Lane, Report};

/// Where writers report. A report wakes the thread that reads them, which may be waiting for
/// records.
#[derive(Debug, Clone)]
pub struct Reports {
    to: Sender<(Lane, Report)>,
    reader: Thread,
}

impl Reports {
    /// A channel to the thread that calls this.
    pub fn to_this_thread() -> (Self, Receiver<(Lane, Report)>) {
        let (to, reports) = channel();
        (Self { to, reader: thread::current() }, reports)
    }

    /// Sends a report. It is dropped if the session has ended.
    pub fn send(&self, lane: Lane, report: Report) {
        let _ = self.to.send((lane, report));
        self.reader.unpark();
    }
}

/// Handle of a writer task. Dropping it ends the task and abandons what is not acknowledged.
#[derive(Debug)]
pub struct Writer {
    commands: UnboundedSender<Command>,
}

impl Writer {
    pub fn new(commands: UnboundedSender<Command>) -> Self {
        Self { commands }
    }

    /// Queues a command without blocking; the pipeline bounds the bytes that are queued. A writer
    /// that has ended has reported why, so a command to it is dropped.
    pub fn send(&self, command: Command) {
        let _ = self.commands.send(command);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::telemetry::Waits;

    #[test]
    fn a_report_wakes_its_reader() {
        let (reports, received) = Reports::to_this_thread();
        let lane = Lane { partition: None, epoch: 1 };
        let began = Instant::now();
        let writer = thread::spawn(move || reports.send(lane, Report::Waiting(Waits::Away)));
        while received.try_recv().is_err() {
            assert!(began.elapsed() < Duration::from_secs(30), "still parked");
            thread::park_timeout(Duration::from_secs(60));
        }
        writer.join().unwrap();
    }
}
