//! The arguments of `results`.

use super::layer_args::LayerArgs;
use crate::config::{Inputs, keys};

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Reads the whole topic of reports and keeps the latest one for each organization and cluster in the
SQLite file RESULTS_STORE, with the offsets: started again, it goes on where it stopped. The
domain's contract (IMPORT_PATH, IMPORT_OBJECT) is that of the reports and declares /organization,
/cluster and /findings/*/rule.

  GET /api/v1/clusters/{id}/report           the latest report; ?organization=ORG
  GET /api/v1/organizations/{org}/clusters   clusters with a report; ?limit=N&after=NEXT
  GET /api/v1/rules/{id}/affected            clusters in which a rule has findings; the same
  GET /openapi.json                          describes them

RESULTS_ADDR is where it listens (127.0.0.1:8082). Another address than loopback needs
RESULTS_TOKENS_FILE, a file with a bearer token a line, whose owners read everything, or
RESULTS_IDENTITY=x-rh-identity where a gateway in front sets that header: then a caller reads its
own organization. docs/reference/results.md has the rest.

Example:
  generic-consumer results REPORTS
  curl -i http://127.0.0.1:8082/api/v1/organizations/12383032/clusters")]
pub struct ResultsArgs {
    /// Domain whose topic has the reports
    #[arg(value_name = "DOMAIN", value_parser = keys::domain)]
    pub domain: String,
    /// Answer every request with 503 and do not use Kafka; the same as DISABLE=true
    #[arg(short = 'x', long)]
    pub disable: bool,
    #[command(flatten)]
    pub layers: LayerArgs,
}

impl ResultsArgs {
    /// The sources of the configuration, including the flag that sets a key.
    pub fn inputs(&self) -> Inputs {
        let inputs = self.layers.inputs();
        if self.disable { inputs.flag("--disable", &keys::DISABLE, "true") } else { inputs }
    }
}
