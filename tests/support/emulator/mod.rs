//! Runs goccy/bigquery-emulator, an independent BigQuery, to test types and tables.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::GetWriteStreamRequest;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::big_query_write_client::BigQueryWriteClient;
use serde_json::{Value, json};
use tonic::transport::Endpoint;

use super::bigquery::{DATASET, PROJECT, Urls};
use super::process::{Process, Start};
use super::until::until_true;
use super::{folder, http, ports};

/// The emulator loads its SQL engine before it listens.
const STARTS_WITHIN: Duration = Duration::from_secs(120);

/// A running emulator; it keeps its tables in memory.
pub struct Emulator {
    rest: u16,
    grpc: u16,
    runtime: tokio::runtime::Runtime,
    _process: Process,
}

impl Emulator {
    pub fn start(name: &str) -> Self {
        let folder = folder::fresh(&format!("emulator-{name}"));
        let (rest, grpc) = (ports::free(), ports::free());
        let arguments = [
            format!("--project={PROJECT}"),
            "--host=127.0.0.1".to_owned(),
            format!("--port={rest}"),
            format!("--grpc-port={grpc}"),
        ];
        let mut process = Process::start(&Start {
            name: "goccy/bigquery-emulator",
            log: &folder.join("emulator.log"),
            program: program().as_os_str(),
            arguments: arguments.map(Into::into).to_vec(),
            variables: Vec::new(),
            folder: Some(&folder),
            input: None,
        });
        until_true("the emulator answers", STARTS_WITHIN, || {
            assert!(process.ended().is_none(), "the emulator has ended:\n{}", process.output());
            let path = format!("/bigquery/v2/projects/{PROJECT}/datasets");
            http::get(rest, &path).is_some_and(|(status, _)| status == 200)
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self { rest, grpc, runtime: runtime.expect("a runtime"), _process: process }
    }

    pub fn urls(&self) -> Urls {
        let url = |port| format!("http://127.0.0.1:{port}");
        Urls { rest: url(self.rest), storage: url(self.grpc) }
    }

    /// The table resource.
    pub fn table(&self, table: &str) -> Value {
        self.call(reqwest::Method::GET, &format!("/datasets/{DATASET}/tables/{table}"), None)
    }

    /// Creates the dataset. If the dataset exists, the emulator responds with 500.
    pub fn make_dataset(&self) {
        let reference = json!({ "projectId": PROJECT, "datasetId": DATASET });
        let body = json!({ "datasetReference": reference });
        self.call(reqwest::Method::POST, "/datasets", Some(&body));
    }

    pub fn make_table(&self, table: &str, fields: &Value) {
        let reference = json!({ "projectId": PROJECT, "datasetId": DATASET, "tableId": table });
        let body = json!({ "tableReference": reference, "schema": { "fields": fields } });
        self.call(reqwest::Method::POST, &format!("/datasets/{DATASET}/tables"), Some(&body));
    }

    /// All rows of a table, each as `{"f": [{"v": …}, …]}`.
    pub fn rows(&self, table: &str) -> Vec<Value> {
        let path = format!("/datasets/{DATASET}/tables/{table}/data");
        let mut page = self.call(reqwest::Method::GET, &path, None);
        assert!(page["pageToken"].is_null(), "all rows are on one page");
        match page["rows"].take() {
            Value::Array(rows) => rows,
            _ => Vec::new(),
        }
    }

    /// Requests the table's default stream. The emulator creates the stream at this request; an
    /// append before it would block forever. BigQuery needs no such request.
    pub fn open_default_stream(&self, table: &str) {
        let table = format!("projects/{PROJECT}/datasets/{DATASET}/tables/{table}");
        let name = format!("{table}/streams/_default");
        let asked = async {
            let endpoint = Endpoint::from_shared(self.urls().storage).expect("a URL");
            let mut client = BigQueryWriteClient::new(endpoint.connect_lazy());
            client.get_write_stream(GetWriteStreamRequest { name, view: 0 }).await
        };
        self.runtime.block_on(asked).expect("the default stream");
    }

    fn call(&self, method: reqwest::Method, path: &str, body: Option<&Value>) -> Value {
        let url = format!("{}/bigquery/v2/projects/{PROJECT}{path}", self.urls().rest);
        let answer = async {
            let mut request = reqwest::Client::new().request(method, &url);
            if let Some(body) = body {
                request = request.json(body);
            }
            let answer = request.send().await?.error_for_status()?;
            answer.json::<Value>().await
        };
        self.runtime.block_on(answer).unwrap_or_else(|error| panic!("{url}: {error}"))
    }
}

/// The path of the emulator, which is built if it is missing.
fn program() -> PathBuf {
    static BUILDING: Mutex<()> = Mutex::new(());
    let _one = BUILDING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/emulator/install.sh");
    let tools = folder::target().join("tools");
    let built = Command::new(script).arg(tools).output().expect("install.sh runs");
    assert!(
        built.status.success(),
        "goccy/bigquery-emulator cannot be built:\n{}",
        String::from_utf8_lossy(&built.stderr)
    );
    String::from_utf8_lossy(&built.stdout).trim().into()
}
