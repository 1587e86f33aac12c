//! The command line. Each subcommand has its own file.

pub mod args;
mod config;
mod envelope;
mod event_file;
mod failure;
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

use crate::config::{Inputs, Loaded};

/// Runs the command. Has to be called inside a tokio runtime.
pub async fn dispatch(args: Args) -> Result<(), Failure> {
    match args.into_command() {
        Command::Run(args) => {
            let loaded = load(&args.domain, &args.inputs())?;
            run::run(args, loaded.settings).await
        }
        Command::Validate(args) => {
            let loaded = load(&args.domain, &args.layers.inputs())?;
            validate::validate(&args, &loaded.settings)
        }
        Command::Produce(args) => {
            let loaded = load(&args.domain, &args.layers.inputs())?;
            produce::produce(args, loaded.settings).await
        }
        Command::Config(args) => config::config(&args),
        Command::Local(args) => local::local(args).await,
    }
}

/// The settings, or a failure that lists every mistake.
fn load(domain: &str, inputs: &Inputs) -> Result<Loaded, Failure> {
    crate::config::load(domain, inputs).map_err(Failure::configuration)
}
