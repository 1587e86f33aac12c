//! The command line: arguments become one job, and each subcommand has its file.

pub mod args;
mod config;
mod failure;
mod local;
mod produce;
mod run;
#[cfg(test)]
mod tests;
pub mod version;

pub use args::Args;
pub use failure::{Exit, Failure};

use args::{Command, LayerArgs};

use crate::config::{Inputs, Loaded};

/// Does what was asked for. Needs a running tokio runtime.
pub async fn dispatch(args: Args) -> Result<(), Failure> {
    match args.into_command() {
        Command::Run(args) => {
            let loaded = load(&args.domain, &args.inputs())?;
            run::run(args, loaded.settings).await
        }
        Command::Produce(args) => {
            let loaded = load(&args.domain, &args.layers.inputs())?;
            produce::produce(args, loaded.settings).await
        }
        Command::Config(args) => config::config(&args),
        Command::Local(args) => local::local(args).await,
    }
}

/// The settings, or a failure that names every mistake.
fn load(domain: &str, inputs: &Inputs) -> Result<Loaded, Failure> {
    crate::config::load(domain, inputs).map_err(Failure::configuration)
}

impl LayerArgs {
    /// The sources that these arguments name, with the environment of this process.
    pub fn inputs(&self) -> Inputs {
        let mut inputs = Inputs::of_process();
        if let Some(path) = &self.env_file {
            inputs = inputs.env_file(path);
        }
        self.config.iter().fold(inputs, Inputs::file)
    }
}
