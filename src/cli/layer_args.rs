//! The flags that name files of the configuration.

use std::ffi::OsString;

use crate::config::Inputs;

/// The files that the configuration is read from.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Configuration")]
pub struct LayerArgs {
    /// Read this file instead of .env: a path, s3://bucket/key, gs://bucket/object or
    /// https://host/path; also in the variable ENV_FILE
    #[arg(long, value_name = "LOCATION")]
    pub env_file: Option<OsString>,
    /// Read this TOML or YAML file, also from such a location, after config/environments.toml; may
    /// be repeated, later files win
    #[arg(long, value_name = "LOCATION")]
    pub config: Vec<OsString>,
}

impl LayerArgs {
    /// The sources of the configuration: these files and the environment of this process.
    pub fn inputs(&self) -> Inputs {
        let mut inputs = Inputs::of_process();
        if let Some(path) = &self.env_file {
            inputs = inputs.env_file(path);
        }
        self.config.iter().fold(inputs, Inputs::file)
    }
}
