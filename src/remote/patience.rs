//! How long the program tries.

use std::time::Duration;

/// How long a store that does not answer is asked again.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    pub retry_for: Duration,
    pub first_pause: Duration,
    pub longest_pause: Duration,
}

impl Default for Patience {
    /// Half of what Kubernetes grants a start (`startupProbe`), so that the error is in the log
    /// before the pod is restarted.
    fn default() -> Self {
        Self {
            retry_for: Duration::from_secs(60),
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(8),
        }
    }
}
