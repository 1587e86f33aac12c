//! The arguments of `completions`, `man` and `schema`.

use std::path::PathBuf;

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Example:
  source <(generic-consumer completions bash)
  generic-consumer completions zsh > ~/.zfunc/_generic-consumer
  generic-consumer completions fish > ~/.config/fish/completions/generic-consumer.fish")]
pub struct CompletionsArgs {
    /// Shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Without a folder, the page of the program itself is printed.

Example:
  generic-consumer man | man -l -
  generic-consumer man ~/.local/share/man/man1")]
pub struct ManArgs {
    /// Folder for the pages of the program and of each command; it is created if there is none
    #[arg(value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Example:
  generic-consumer schema config > environments.schema.json
  generic-consumer schema contract > contract.schema.json")]
pub struct SchemaArgs {
    /// What the schema describes
    #[arg(value_name = "OF")]
    pub of: SchemaOf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SchemaOf {
    /// The keys of a .env file
    Dotenv,
    /// A configuration file: config/environments.toml, or one of --config
    Config,
    /// The file of a transfer (CONFIG_LOCATION)
    Transfers,
    /// What this program adds to AsyncAPI documents
    Contract,
}
