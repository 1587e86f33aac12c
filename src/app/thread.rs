//! The thread that polls Kafka, and what happens if it never comes back from a call.

use std::future::Future;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::pipeline::{self, Flow, Summary};
use crate::stop::Stop;
use crate::telemetry::Health;

/// How often the watch looks at the thread.
const LOOK: Duration = Duration::from_secs(1);

/// How many looks in a row find the thread where it was before it is given up. No call of the
/// pipeline's waits longer than 25 s. Looks are counted instead of seconds: a process that was frozen
/// and goes on has missed seconds, but no looks.
const LOOKS: u32 = 120;

/// The thread that polls Kafka does not come back from a call. Nobody can end a thread from outside,
/// so the process has to end, and whoever supervises it starts it anew.
#[derive(Debug, thiserror::Error)]
#[error("the thread that polls Kafka has not come back from a call for {LOOKS} s")]
struct Hung;

const HUNG: &str = "start the instance anew, as Kubernetes does by itself; nothing is lost. librdkafka \
                    can deadlock when a broker goes away (its issues 5476 and 5490): if there was no \
                    such outage, please report this with the log around it";

/// Runs the flow on a thread of its own, because polling blocks, and returns what it did. The boolean
/// says whether everything was drained in time. Where the thread hangs, it is left behind.
pub async fn run(flow: Flow) -> Result<(Summary, bool), Stop> {
    let (health, topic) = (flow.health.clone(), flow.subscription.topic.clone());
    on_thread(&health, &topic, move || pipeline::run(flow)).await?
}

/// The same for any work that polls Kafka and says so to `health`.
pub async fn on_thread<T: Send + 'static>(
    health: &Health,
    topic: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Stop> {
    let (done, result) = tokio::sync::oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    let hint = "please report this with the log around it";
    std::thread::Builder::new()
        .name("consumer".to_owned())
        .spawn(move || {
            let _entered = runtime.enter();
            let _ = done.send(work());
        })
        .map_err(|error| Stop::new("start the consumer thread", hint, error))?;
    let result = unless_hung(result, health, LOOK)
        .await
        .map_err(|error| Stop::new(format!("read topic {topic}"), HUNG, error))?;
    result.map_err(|error| Stop::new("run the consumer thread", hint, error))
}

/// Waits for the thread's result as long as the thread turns.
async fn unless_hung<T>(
    result: impl Future<Output = T>,
    health: &Health,
    look: Duration,
) -> Result<T, Hung> {
    tokio::select! {
        result = result => Ok(result),
        () = hung(health, look) => Err(Hung),
    }
}

async fn hung(health: &Health, look: Duration) {
    let mut looks = interval(look);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut seen, mut same) = (health.turns(), 0);
    while same < LOOKS {
        looks.tick().await;
        let turns = health.turns();
        same = if turns == seen { same + 1 } else { 0 };
        seen = turns;
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Instant;

    use tokio::time::sleep;

    use super::*;

    const SHORT: Duration = Duration::from_millis(2);

    #[tokio::test]
    async fn a_thread_that_never_comes_back_is_given_up() {
        let began = Instant::now();
        assert!(unless_hung(pending::<()>(), &Health::new(), SHORT).await.is_err());
        assert!(began.elapsed() >= SHORT * (LOOKS - 1));
    }

    #[tokio::test]
    async fn a_thread_that_turns_is_waited_for() {
        let health = Health::new();
        let turns = async {
            for _ in 0..10 {
                health.turned();
                sleep(SHORT * (LOOKS / 4)).await;
            }
        };
        assert!(unless_hung(turns, &health, SHORT).await.is_ok());
    }
}
