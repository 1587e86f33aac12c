//! From a source into the target: rows are staged, counted and moved, and staged again where they are gone
//! before they are moved.

use super::counts::Applied;
use super::error::TransferError;
use super::progress::Phase;
use super::run::{Run, Transfer};
use super::runs::RunRow;
use super::staged::ATTEMPTS;
use super::target::{Change, Lease, StagingError, Target, Unapplied};
use crate::stop::Stop;

impl<T: Target> Run<'_, T> {
    /// Stages the rows, counts them and changes the target.
    pub(super) async fn stage_and_apply(
        &mut self,
        lease: &T::Lease,
        change: &Change<'_>,
        number: u64,
        started_micros: i64,
    ) -> Result<(RunRow, Applied), TransferError> {
        for _ in 0..ATTEMPTS {
            match self.stage_and_apply_once(lease, change, number, started_micros).await {
                Ok(done) => return Ok(done),
                Err(StagingError::Lost(why)) => tracing::warn!(why, "the rows are staged again"),
                Err(StagingError::Failed(error)) => return Err(error),
                // `stage` leaves such rows out itself.
                Err(StagingError::Refused(_)) => break,
            }
            self.target.unstage().await?;
        }
        Err(TransferError::Stop(Stop {
            what: format!("write to {}", self.target.name()),
            hint: "what was staged is gone at each attempt, and the target is as it was; the messages \
                   are in the log"
                .to_owned(),
            source: None,
        }))
    }

    async fn stage_and_apply_once(
        &mut self,
        lease: &T::Lease,
        change: &Change<'_>,
        number: u64,
        started_micros: i64,
    ) -> Result<(RunRow, Applied), StagingError> {
        let Transfer { settings, request, .. } = self.transfer;
        let staged = self.stage(change.last_counts).await?;
        self.check_rejected(&staged)?;
        self.check_staged(&staged, change).await?;
        if self.transfer.shutdown.requested() {
            return Err(TransferError::Interrupted.into());
        }
        if !lease.renew().await? {
            return Err(TransferError::TakenOver { target: self.target.name() }.into());
        }
        let run = RunRow {
            transfer: settings.name.clone(),
            target: self.target.name(),
            mode: request.mode,
            days: request.days.clone(),
            number,
            started_micros,
            counts: staged.counts,
            fingerprint: format!("{:032x}", staged.fingerprint),
        };
        self.is_moving = true;
        self.transfer.progress.begin(Phase::Moving, &self.target.moving(&staged.table));
        let applied = self.target.apply(&staged.table, change, &run).await;
        // Where nobody has said how it ended, it may still be going on.
        self.is_moving = matches!(&applied, Err(Unapplied::MayHappen(_)));
        match applied {
            Ok(applied) => Ok((run, applied)),
            Err(Unapplied::Never(error) | Unapplied::MayHappen(error)) => Err(error.into()),
            Err(Unapplied::Lost(why)) => Err(StagingError::Lost(why)),
        }
    }
}
