//! The arguments of `check`.

use super::layer_args::LayerArgs;
use crate::config::{Inputs, keys};

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Looks at everything that a run of the domain needs, and changes nothing: no table, no topic, no
offset; it joins no group. Each part has a line:

  ok            as it should be
  note          a run works; something to know
  not seen      it could not be looked at, because of what another line says
  dead letters  records that were looked at would go to the dead letters
  would alter   a run would create or alter it; the changes are listed
  would fail    a run would not work, or not start

docs/reference/check.md has the rest.

Exit codes: 0 nothing would be altered, 1 a run would fail, 2 a run would alter a table or send
records to the dead letters (0 with --accept-changes), 64 the command line is wrong, 130 stopped by a
signal.

Examples:
  generic-consumer check DELIVERY
  generic-consumer check DELIVERY --sample 1000 --json
  generic-consumer check DELIVERY --accept-changes")]
pub struct CheckArgs {
    /// Domain that is checked
    #[arg(value_name = "DELIVERY", value_parser = keys::domain)]
    pub domain: String,
    /// Put this many of the topic's last records through filter and contract; 0: none
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u16).range(0..=10_000))]
    pub sample: u16,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Exit with 0 instead of 2: what a run would alter, and dead letters, are accepted; the same as
    /// ACCEPT_CHANGES=true
    #[arg(long)]
    pub accept_changes: bool,
    #[command(flatten)]
    pub layers: LayerArgs,
}

impl CheckArgs {
    /// The sources of the configuration, including the flag that sets a key.
    pub fn inputs(&self) -> Inputs {
        let inputs = self.layers.inputs();
        match self.accept_changes {
            true => inputs.flag("--accept-changes", &keys::ACCEPT_CHANGES, "true"),
            false => inputs,
        }
    }
}
