//! The arguments of `import-icm`.

use std::path::PathBuf;

use crate::config::keys;

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Writes .env and config/environments.toml to the folder, which may have neither, and prints for each
entry of the file what became of it: the key with its value, the reason why it is left out, or what a
person has to do. Contracts and rules have to be written by a person. Secrets are not written: a
variable stays a variable, and for the others the variable to set is named. If the file has a mistake,
nothing is written. docs/reference/import-icm.md has the table of entries and keys.

Examples:
  generic-consumer import-icm config.yaml
  generic-consumer import-icm config.yaml --domain CCX --out ccx
  generic-consumer import-icm config.yaml --out ccx --format json")]
pub struct ImportArgs {
    /// Configuration file of Insights Core Messaging, YAML
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Domain that the file becomes
    #[arg(long, value_name = "NAME", default_value = "ICM", value_parser = keys::domain)]
    pub domain: String,
    /// Folder that the files are written to; it is made if it does not exist
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub out: PathBuf,
    /// How to print what became of the entries
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: ImportFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ImportFormat {
    /// A line for each entry
    Table,
    /// One JSON object
    Json,
}
