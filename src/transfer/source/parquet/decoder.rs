//! The thread that decodes a file.
//!
//! The decoders of the crate `parquet` panic over some damaged pages, and a released program ends at a
//! panic. So they run on a thread of their own: if it panics, the panic is reported as an error of the
//! file, and in a program that would end the thread sleeps from then on. It is never joined.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::panic::{self, PanicHookInfo};
use std::sync::Once;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use parquet::errors::{ParquetError, Result};

/// Items that may wait for whoever takes them.
const WAITING: usize = 2;

/// Reports a panic.
type Report = Box<dyn Fn(String)>;

thread_local! {
    /// `None` on all other threads.
    static REPORT: RefCell<Option<Report>> = const { RefCell::new(None) };
}

/// Starts `work`, which hands its items on and stops where that breaks. The last item may be the error
/// that has ended it.
pub fn start<T: Send + 'static>(
    work: impl FnOnce(&dyn Fn(T) -> ControlFlow<()>) -> Result<()> + Send + 'static,
) -> Result<Receiver<Result<T>>> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let report = REPORT.try_with(RefCell::take).ok().flatten();
            match report {
                Some(report) => {
                    report(message(info));
                    // After this function the process would end; otherwise the thread does.
                    while cfg!(panic = "abort") {
                        thread::park();
                    }
                }
                None => others(info),
            }
        }));
    });
    let (sender, receiver) = sync_channel(WAITING);
    let run = move || {
        let failed = sender.clone();
        let report = move |panic| {
            let problem = format!("it is damaged: {panic}");
            // Nobody waits for it where the run has ended.
            let _ = failed.send(Err(ParquetError::General(problem)));
        };
        REPORT.set(Some(Box::new(report)));
        let hand_on = |item| match sender.send(Ok(item)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        if let Err(error) = work(&hand_on) {
            let _ = sender.send(Err(error));
        }
        REPORT.set(None);
    };
    thread::Builder::new().name("parquet".to_owned()).spawn(run)?;
    Ok(receiver)
}

fn message(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref().map(String::as_str));
    text.unwrap_or("the decoder cannot go on").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_the_last_item() {
        let items = start(|hand_on| {
            let _ = hand_on(1);
            panic!("out of bounds");
        });
        let mut items = items.expect("a thread").into_iter();
        assert!(matches!(items.next(), Some(Ok(1))));
        let error = items.next().expect("an item").expect_err("an error");
        assert!(error.to_string().contains("it is damaged: out of bounds"), "{error}");
    }

    #[test]
    fn work_ends_when_nobody_takes_its_items() {
        let (ended, wait) = sync_channel(1);
        let items = start(move |hand_on| {
            while hand_on(()).is_continue() {}
            ended.send(()).expect("somebody waits");
            Ok(())
        });
        drop(items.expect("a thread"));
        wait.recv().expect("it has ended");
    }
}
