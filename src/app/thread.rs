//! The thread that polls Kafka.

use crate::pipeline::{self, Flow, Summary};
use crate::stop::Stop;

/// Runs the flow on a thread of its own, because polling blocks, and returns what it did. The boolean
/// says whether everything was drained in time.
pub async fn run(flow: Flow) -> Result<(Summary, bool), Stop> {
    let (done, result) = tokio::sync::oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    let hint = "please report this with the log around it";
    std::thread::Builder::new()
        .name("consumer".to_owned())
        .spawn(move || {
            let _entered = runtime.enter();
            let _ = done.send(pipeline::run(flow));
        })
        .map_err(|error| Stop::new("start the consumer thread", hint, error))?;
    result.await.map_err(|error| Stop::new("run the consumer thread", hint, error))?
}
