//! The quota of appends under the fault `quota`: used up for a while, as the throughput quota of a
//! region is, which takes up to ten minutes to refill.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tonic::Status;

use super::super::faults::{Faults, InjectedFault};

/// Clients pause for a minute at most.
const FULL: Duration = Duration::from_secs(90);

/// When the quota was last used up, and how long it takes to refill.
#[derive(Default)]
pub struct AppendQuota(Mutex<Option<(Instant, Duration)>>);

impl AppendQuota {
    /// Refuses an append while the quota refills. Once it is full it lasts at least as long as it
    /// took to refill, and longer than clients pause between two tries, so that each of them finds it
    /// full.
    pub fn take(&self, faults: &Faults) -> Result<(), Status> {
        let mut used_up = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if used_up.is_none_or(|(since, refill)| now >= since + refill + refill.max(FULL)) {
            *used_up = faults.draw(InjectedFault::Quota).map(|refill| (now, refill));
        }
        match *used_up {
            Some((since, refill)) if now < since + refill => Err(Status::resource_exhausted(
                "Exceeds 'AppendRows throughput' quota, user_id: project0 (status: \
                 INSUFFICIENT_TOKENS)",
            )),
            _ => Ok(()),
        }
    }
}
