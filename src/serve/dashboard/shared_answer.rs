//! An answer that several wait for is made once.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// The latest answer, which whoever comes soon enough gets too.
#[derive(Debug, Default)]
pub(super) struct SharedAnswer<T>(Mutex<Option<(Instant, T)>>);

impl<T: Clone> SharedAnswer<T> {
    /// The latest answer, if it is not older than `fresh`, or a new one. Those who come while one is
    /// made wait for it.
    pub async fn get<F: Future<Output = T>>(&self, fresh: Duration, make: impl FnOnce() -> F) -> T {
        let mut latest = self.0.lock().await;
        if let Some((made, answer)) = &*latest
            && made.elapsed() <= fresh
        {
            return answer.clone();
        }
        let answer = make().await;
        *latest = Some((Instant::now(), answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn fifty_get_one_answer() {
        let (answer, made) = (Arc::new(SharedAnswer::default()), Arc::new(AtomicUsize::new(0)));
        let ask = |fresh| {
            let (answer, made) = (answer.clone(), made.clone());
            async move {
                let make = async || {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    made.fetch_add(1, Ordering::Relaxed)
                };
                answer.get(fresh, make).await
            }
        };
        let soon = Duration::from_secs(60);
        let all = futures_util::future::join_all((0..50).map(|_| ask(soon))).await;
        assert_eq!(all, [0; 50]);
        assert_eq!(ask(Duration::ZERO).await, 1, "too old");
        assert_eq!(ask(soon).await, 1);
        // Whoever was making it has gone away.
        let gone = tokio::time::timeout(Duration::from_millis(1), ask(Duration::ZERO)).await;
        assert!(gone.is_err());
        assert_eq!(ask(Duration::ZERO).await, 2);
    }
}
