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
    use std::io::{IsTerminal, Write};
    use std::time::Duration;

    use comfy_table::{ContentArrangement, Table, presets};
    use rand::Rng;

    use super::super::args::{LocalArgs, LocalBigquery, LocalCommand, LocalRows};
    use super::super::{Exit, Failure};
    use crate::local::bigquery::{self, Faults, Options, Row};
    use crate::shutdown::Shutdown;

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
        let shutdown = Shutdown::on_signals()
            .map_err(|error| Failure::new(Exit::Stopped, "listen for signals").source(error))?;
        let running = bigquery::start(Options {
            rest: args.rest,
            grpc: args.grpc,
            store: args.store,
            faults: faults.seeded(seed),
            stream_expiry: args.stream_expiry.map(Duration::from_secs),
            fresh: false,
        })
        .await
        .map_err(failed)?;
        // The parent process reads the addresses from this line. The seed repeats the same faults.
        println!("rest {} grpc {} seed {seed}", running.rest, running.grpc);
        shutdown.wait().await;
        running.shutdown().await;
        Ok(())
    }

    fn rows(args: &LocalRows) -> Result<(), Failure> {
        let limit = args.limit.map(|limit| limit as usize);
        let rows = bigquery::rows(&args.store, &args.table, limit).map_err(|error| {
            Failure::new(Exit::Stopped, format!("read rows from {}", args.store.display()))
                .source(error)
                .hint("a run on the embedded BigQuery writes .local/bigquery.sqlite: `generic-consumer DELIVERY --until-caught-up`")
        })?;
        let mut stdout = std::io::stdout().lock();
        let written = if stdout.is_terminal() {
            writeln!(stdout, "{}", table(&rows))
        } else {
            rows.into_iter()
                .try_for_each(|row| writeln!(stdout, "{}", serde_json::Value::Object(row)))
        };
        match written {
            // `local rows TABLE | head` closes the pipe early.
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(Failure::new(Exit::Stopped, "print rows").source(error))
            }
            _ => Ok(()),
        }
    }

    /// The rows as a table, without the columns that have no value in any row.
    fn table(rows: &[Row]) -> Table {
        let empty = |value: &serde_json::Value| {
            value.is_null() || value.as_array().is_some_and(Vec::is_empty)
        };
        let columns: Vec<&String> =
            rows.first().into_iter().flat_map(serde_json::Map::keys).collect();
        let used: Vec<&String> = columns
            .into_iter()
            .filter(|name| rows.iter().any(|row| row.get(*name).is_some_and(|value| !empty(value))))
            .collect();
        let mut table = Table::new();
        table
            .load_preset(presets::UTF8_HORIZONTAL_ONLY)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header(used.iter().map(|name| name.as_str()));
        for row in rows {
            table.add_row(used.iter().map(|name| match row.get(*name) {
                None | Some(serde_json::Value::Null) => String::new(),
                Some(serde_json::Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            }));
        }
        table
    }
}
