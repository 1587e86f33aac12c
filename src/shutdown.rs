//! The request to shut down: SIGTERM and SIGINT set one flag that all parts of the program watch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

/// The flag. The first signal sets it; the second signal ends the process immediately. Clones share
/// the same flag.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    requested: AtomicBool,
    notify: Notify,
}

impl Shutdown {
    /// Listens for SIGTERM and SIGINT. Has to be called inside a tokio runtime.
    pub fn on_signals() -> std::io::Result<Self> {
        let shutdown = Self::default();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let requested = shutdown.clone();
        tokio::spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            requested.request();
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            std::process::exit(130);
        });
        Ok(shutdown)
    }

    /// Requests a shutdown, as a signal does.
    pub fn request(&self) {
        self.inner.requested.store(true, Ordering::Release);
        self.inner.notify.notify_waiters();
    }

    pub fn requested(&self) -> bool {
        self.inner.requested.load(Ordering::Acquire)
    }

    /// Sleeps on the calling thread, and less long if a shutdown is requested meanwhile.
    pub fn sleep(&self, time: Duration) {
        const STEP: Duration = Duration::from_millis(20);
        let until = Instant::now() + time;
        while !self.requested() {
            match until.saturating_duration_since(Instant::now()) {
                Duration::ZERO => return,
                left => std::thread::sleep(left.min(STEP)),
            }
        }
    }

    /// Waits until a shutdown is requested.
    pub async fn wait(&self) {
        // Created before the check, so that a request in between is not missed.
        let notified = self.inner.notify.notified();
        if !self.requested() {
            notified.await;
        }
    }
}
