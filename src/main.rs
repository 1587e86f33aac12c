//! Parses the arguments, runs the command, returns its exit code.
#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;
use std::time::Duration;

use generic_consumer::cli::{self, Args, Exit, Failure};
use generic_consumer::telemetry;
use mimalloc::MiMalloc;
use tokio::runtime::Builder;

/// The allocator of Rust code and, by the feature `override`, of C code. A thread of librdkafka
/// allocates the records that the consumer thread frees; the C library's allocator takes a lock for
/// that.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How long the process waits for blocking calls to return after the command has ended.
const LINGER: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let args = match Args::read(arguments.iter().cloned()) {
        Ok(args) => args,
        Err(error) => {
            // Where that fails there is nobody to tell.
            let _ = error.print();
            return ExitCode::from(Args::refused(&arguments, &error));
        }
    };
    let logs = telemetry::logs::init(args.prints_a_page());
    let done = Builder::new_multi_thread()
        .enable_all()
        .thread_name("generic-consumer")
        .build()
        .map_err(|error| Failure::new(Exit::Stopped, "start the runtime").source(error))
        .and_then(|runtime| {
            let done = runtime.block_on(cli::dispatch(args));
            runtime.shutdown_timeout(LINGER);
            done
        });
    logs.finish();
    let code = match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let text = failure.to_string();
            cli::say(&format!("{text}\n"));
            telemetry::otlp::failed(&text);
            failure.code()
        }
    };
    telemetry::otlp::finish();
    code
}
