//! The command line. Each subcommand has its own file.

pub mod args;
mod config;
mod envelope;
mod event_file;
mod failure;
mod load;
mod local;
mod output;
mod page;
mod produce;
mod progress;
mod row_json;
mod row_page;
mod run;
mod settings_page;
#[cfg(test)]
mod tests;
mod validate;
pub mod version;

pub use args::Args;
pub use failure::{Exit, Failure};
pub use output::say;

use args::Command;
use load::load;

/// Runs the command. Has to be called inside a tokio runtime.
pub async fn dispatch(args: Args) -> Result<(), Failure> {
    match args.into_command() {
        Command::Run(args) => run::run(args).await,
        Command::Validate(args) => {
            let (loaded, fetcher) = load(&args.domain, args.layers.inputs()).await?;
            validate::validate(&args, &loaded.settings, &fetcher).await
        }
        Command::Produce(args) => {
            let (loaded, fetcher) = load(&args.domain, args.layers.inputs()).await?;
            produce::produce(args, loaded.settings, &fetcher).await
        }
        Command::Config(args) => config::config(&args).await,
        Command::Local(args) => local::local(args).await,
    }
}
