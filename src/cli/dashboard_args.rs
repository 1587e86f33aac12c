//! The arguments of `dashboard`.

use super::layer_args::LayerArgs;
use crate::config::{Inputs, keys};

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
The series file (TOML or YAML) says what is drawn and which instances are shown:

  [[series]]
  name = \"high\"
  store = \"postgres\"        # reached as [write.<env>.postgres] says, with WRITE_ENV; or influxdb
  table = \"public.high\"     # measurement = \"low\" with influxdb
  value = \"amount\"          # a numeric column
  aggregate = \"mean\"        # mean, sum, count, min or max
  time = \"occurred_at\"      # _kafka_timestamp by default

  [[instance]]
  name = \"high\"
  url = \"http://127.0.0.1:9464\"   # its METRICS_ADDR

The dashboard only reads, and asks for no token: whoever reaches its address sees the values.
docs/reference/dashboard.md has the rest.

Examples:
  generic-consumer dashboard --series series.toml
  generic-consumer dashboard --series series.toml --addr 0.0.0.0:8090 --env-file stores.env
  curl 'http://127.0.0.1:8090/api/series?bucket=60000'")]
pub struct DashboardArgs {
    /// File with the series and the instances; the same as SERIES
    #[arg(long, value_name = "FILE")]
    pub series: Option<String>,
    /// Address to listen on; the same as DASHBOARD_ADDR
    #[arg(long, value_name = "ADDR")]
    pub addr: Option<String>,
    #[command(flatten)]
    pub layers: LayerArgs,
}

impl DashboardArgs {
    /// The sources of the configuration, including the flags that set keys.
    pub fn inputs(&self) -> Inputs {
        let mut inputs = self.layers.inputs();
        if let Some(file) = &self.series {
            inputs = inputs.flag("--series", &keys::SERIES, file);
        }
        if let Some(address) = &self.addr {
            inputs = inputs.flag("--addr", &keys::DASHBOARD_ADDR, address);
        }
        inputs
    }
}
