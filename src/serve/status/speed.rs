//! How fast a counter grows.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

const EVERY: Duration = Duration::from_secs(1);

/// Samples that are kept: those of the last ten seconds, and the one before.
const SAMPLES: usize = 11;

/// Samples a counter every second, until it is dropped.
#[derive(Debug)]
pub(super) struct Speed {
    samples: Arc<Mutex<VecDeque<(Instant, u64)>>>,
    task: JoinHandle<()>,
}

impl Speed {
    pub fn of(counter: Counter) -> Self {
        let samples: Arc<Mutex<VecDeque<_>>> = Arc::default();
        let kept = samples.clone();
        let task = tokio::spawn(async move {
            let mut ticks = interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let mut samples = kept.lock().unwrap_or_else(PoisonError::into_inner);
                keep(&mut samples, (Instant::now(), counter.get()));
            }
        });
        Self { samples, task }
    }

    /// Between the oldest sample and the latest, with one decimal; `None` before there are two.
    pub fn per_second(&self) -> Option<f64> {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let ((then, before), (now, after)) = (samples.front()?, samples.back()?);
        let seconds = now.duration_since(*then).as_secs_f64();
        let grown = after.saturating_sub(*before) as f64;
        (seconds > 0.0).then(|| (grown / seconds * 10.0).round() / 10.0)
    }
}

fn keep(samples: &mut VecDeque<(Instant, u64)>, sample: (Instant, u64)) {
    if samples.len() == SAMPLES {
        samples.pop_front();
    }
    samples.push_back(sample);
}

impl Drop for Speed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_last_ten_seconds_count() {
        let speed = Speed::of(Counter::default());
        assert_eq!(speed.per_second(), None);
        let start = Instant::now();
        let at = |(second, count): (u64, u64)| (start + Duration::from_secs(second), count);
        let of = |samples: &[(u64, u64)]| {
            *speed.samples.lock().expect("no panic") = samples.iter().copied().map(at).collect();
            speed.per_second()
        };
        assert_eq!(of(&[(0, 5)]), None);
        assert_eq!(of(&[(0, 5), (1, 5)]), Some(0.0));
        assert_eq!(of(&[(0, 5), (1, 105), (3, 306)]), Some(100.3));
        let mut samples = VecDeque::new();
        for second in 0..30 {
            keep(&mut samples, at((second, second)));
        }
        assert_eq!((samples.front(), samples.back()), (Some(&at((19, 19))), Some(&at((29, 29)))));
    }
}
