//! `local bigquery` serves the embedded BigQuery; `local rows` prints rows from its store.

#[cfg(not(feature = "local"))]
use super::Failure;
#[cfg(not(feature = "local"))]
use super::args::LocalArgs;

#[cfg(not(feature = "local"))]
pub async fn local(_: LocalArgs) -> Result<(), Failure> {
    let hint = "build it with the feature `local`, which is on by default and off in the image";
    Err(Failure::stopped("this program has no embedded BigQuery", hint))
}

#[cfg(feature = "local")]
pub use embedded::local;

#[cfg(feature = "local")]
mod embedded {
    use std::time::Duration;

    use rand::Rng;

    use super::super::args::{LocalArgs, LocalBigquery, LocalCommand, LocalRows};
    use super::super::{Exit, Failure, output, row_page, signals};
    use crate::app::LOCAL_STORE;
    use crate::local::bigquery::{self, Faults, Options, StoreError};

    pub async fn local(args: LocalArgs) -> Result<(), Failure> {
        match args.command {
            LocalCommand::Bigquery(args) => serve(args).await,
            LocalCommand::Rows(args) => rows(&args),
        }
    }

    /// Serves until a signal arrives. Once it listens, it prints its addresses on standard output.
    async fn serve(args: LocalBigquery) -> Result<(), Failure> {
        let seed = args.seed.unwrap_or_else(|| rand::rng().random());
        let faults: Faults = args
            .faults
            .as_deref()
            .unwrap_or_default()
            .parse()
            .map_err(|error| Failure::new(Exit::Usage, "read --faults").source(error))?;
        let failed =
            |error| Failure::new(Exit::Stopped, "start the embedded BigQuery").source(error);
        let shutdown = signals::shutdown()?;
        let running = bigquery::start(Options {
            rest: args.rest,
            grpc: args.grpc,
            store: args.store,
            faults: faults.seeded(seed),
            stream_expiry: args.stream_expiry.map(Duration::from_secs),
            emptied: Vec::new(),
            variables: std::env::vars_os().collect(),
        })
        .await
        .map_err(failed)?;
        // The parent process reads the addresses from this line. The seed repeats the same faults.
        output::print(&format!("rest {} grpc {} seed {seed}\n", running.rest, running.grpc))?;
        shutdown.wait().await;
        running.shutdown().await;
        Ok(())
    }

    fn rows(args: &LocalRows) -> Result<(), Failure> {
        if !args.store.exists() {
            let what = format!("there is no store {}", args.store.display());
            return Err(Failure::stopped(what, no_store()));
        }
        let limit = args.limit.map(|limit| limit as usize);
        let rows = bigquery::rows(&args.store, &args.table, limit).map_err(|error| {
            let (exit, hint) = match &error {
                StoreError::NoTable { .. } => {
                    (Exit::Usage, "name one of them, or another store with --store FILE".to_owned())
                }
                StoreError::Ambiguous { .. } => {
                    (Exit::Usage, "name the table with its dataset".to_owned())
                }
                StoreError::Open { .. }
                | StoreError::Permissions { .. }
                | StoreError::Sqlite(_)
                | StoreError::Json(_) => (Exit::Stopped, no_store()),
            };
            let what = format!("read rows from {}", args.store.display());
            Failure::new(exit, what).source(error).hint(hint)
        })?;
        row_page::print(rows, &args.page)
    }

    fn no_store() -> String {
        format!(
            "`generic-consumer DELIVERY --until-caught-up` and `generic-consumer transfer` on the \
             embedded BigQuery write their rows to {LOCAL_STORE}, in the folder that they are started \
             in; --store FILE names another store"
        )
    }
}
