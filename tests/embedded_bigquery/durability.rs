//! Acknowledged rows are in the store after a restart and after SIGKILL.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::write_stream::Type;
use generic_consumer::local::bigquery::{StartError, rows};
use serde_json::json;

use crate::peer::{Appended, Peer, TABLE, default_stream};

#[tokio::test]
async fn streams_continue_after_a_restart() {
    let peer = Peer::start().await;
    let stream = peer.create(Type::Buffered).await;
    peer.writer(&stream).await.append(Some(0), &["a", "b"]).await.rows();
    peer.flush(&stream, 0).await.expect("flushed");
    let peer = peer.restart().await;
    assert_eq!(peer.ids(), ["a"], "unflushed rows stay invisible");
    let mut writer = peer.writer(&stream).await;
    assert_eq!(writer.append(Some(1), &["x"]).await.refused().0, tonic::Code::AlreadyExists);
    assert_eq!(writer.append(Some(2), &["c"]).await.rows(), Some(2));
    peer.flush(&stream, 2).await.expect("flushed");
    assert_eq!(peer.ids(), ["a", "b", "c"]);
}

#[tokio::test]
async fn open_connections_end_when_the_server_stops() {
    let peer = Peer::start().await;
    let mut writer = peer.writer(&default_stream()).await;
    writer.append(None, &["a"]).await.rows();
    peer.restart().await;
    let ended = writer.connection.answer().await.expect_err("ended");
    assert_eq!(ended.code(), tonic::Code::Unavailable);
}

#[tokio::test]
async fn two_servers_cannot_use_one_store() {
    let peer = Peer::start().await;
    assert!(matches!(peer.second_server().await, Err(StartError::InUse(_))));
}

/// A process that runs `local bigquery`.
struct Process {
    child: Child,
    rest: SocketAddr,
    grpc: SocketAddr,
}

impl Process {
    fn start(store: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_generic-consumer"))
            .args([
                "local",
                "bigquery",
                "--rest",
                "127.0.0.1:0",
                "--grpc",
                "127.0.0.1:0",
                "--store",
            ])
            .arg(store)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("standard output"))
            .read_line(&mut line)
            .expect("a line");
        let word = |after: &str| {
            let mut words = line.split_whitespace().skip_while(|word| *word != after);
            words.nth(1).expect("an address").parse().expect("an address")
        };
        Self { child, rest: word("rest"), grpc: word("grpc") }
    }

    fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }
}

#[tokio::test]
async fn acknowledged_rows_survive_sigkill() {
    use gcp_bigquery_client::google::cloud::bigquery::storage::v1::big_query_write_client::BigQueryWriteClient;
    use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{
        CreateWriteStreamRequest, FlushRowsRequest, WriteStream,
    };

    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("store.sqlite");
    let mut acknowledged = Vec::new();
    let mut stream = String::new();
    for round in 0..3_i64 {
        let process = Process::start(&store);
        let http = reqwest::Client::new();
        let base = format!("http://{}/bigquery/v2/projects/p/datasets", process.rest);
        if round == 0 {
            let dataset = json!({ "datasetReference": { "datasetId": "d" } });
            http.post(&base).json(&dataset).send().await.expect("an answer");
            let table = json!({
                "tableReference": { "tableId": "t" },
                "schema": { "fields": [{ "name": "id", "type": "STRING" }, { "name": "n", "type": "INTEGER" }] },
            });
            http.post(format!("{base}/d/tables")).json(&table).send().await.expect("an answer");
        }
        let mut client = BigQueryWriteClient::connect(format!("http://{}", process.grpc))
            .await
            .expect("connects");
        if round == 0 {
            let kind = WriteStream { r#type: Type::Buffered as i32, ..WriteStream::default() };
            let request =
                CreateWriteStreamRequest { parent: TABLE.to_owned(), write_stream: Some(kind) };
            stream = client.create_write_stream(request).await.expect("a stream").into_inner().name;
        }
        let id = format!("row {round}");
        let mut request = crate::peer::first_request(
            &stream,
            crate::peer::descriptor(),
            &[crate::peer::row(&id, None)],
        );
        request.offset = Some(round);
        let answers = client.append_rows(tokio_stream::iter([request])).await.expect("answers");
        let answer = answers.into_inner().message().await.expect("an answer").expect("an answer");
        assert_eq!(Appended::of(answer).rows(), Some(round));
        let flush = FlushRowsRequest { write_stream: stream.clone(), offset: Some(round) };
        client.flush_rows(flush).await.expect("flushed");
        acknowledged.push(id);
        process.kill();
        let seen = rows(&store, "t", None).expect("rows");
        let seen: Vec<&str> = seen.rows.iter().map(|row| row[0].as_str().expect("text")).collect();
        assert_eq!(seen, acknowledged);
    }
}

fn local_rows(store: &Path, arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_generic-consumer"))
        .args(["local", "rows"])
        .args(arguments)
        .arg("--store")
        .arg(store)
        .output()
        .expect("the program runs")
}

#[tokio::test]
async fn local_rows_prints_one_json_object_per_line() {
    let peer = Peer::start().await;
    peer.writer(&default_stream()).await.append(None, &["a", "b", "c"]).await.rows();
    for table in ["t", "d.t", "p.d.t"] {
        let output = local_rows(&peer.store(), &[table, "--limit", "2"]);
        let lines = String::from_utf8(output.stdout).expect("text");
        assert!(output.status.success());
        assert_eq!(lines, "{\"id\":\"a\",\"n\":null}\n{\"id\":\"b\",\"n\":null}\n");
    }
}

#[tokio::test]
async fn local_rows_lists_the_tables_when_it_cannot_find_one() {
    let peer = Peer::start().await;
    let output = local_rows(&peer.store(), &["u"]);
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8(output.stderr).expect("text");
    assert!(message.contains("there is no table u; the store has p.d.t"), "{message}");
    peer.rest("POST", "datasets", Some(json!({ "datasetReference": { "datasetId": "e" } }))).await;
    let other = json!({ "tableReference": { "tableId": "t" } });
    assert_eq!(peer.rest("POST", "datasets/e/tables", Some(other)).await.0, 200);
    let output = local_rows(&peer.store(), &["t"]);
    let message = String::from_utf8(output.stderr).expect("text");
    assert!(message.contains("p.d.t, p.e.t"), "{message}");
    let output = local_rows(Path::new("/nowhere/store.sqlite"), &["t"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8(output.stderr).expect("text").contains("there is no store"));
}

/// A job and its rows are one transaction: after SIGKILL the store has both or neither, and what was
/// acknowledged is there.
#[tokio::test]
async fn after_sigkill_a_job_is_done_or_was_never_inserted() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("store.sqlite");
    let process = Process::start(&store);
    let http = reqwest::Client::new();
    let base = format!("http://{}/bigquery/v2/projects/p/datasets", process.rest);
    let dataset = json!({ "datasetReference": { "datasetId": "d" } });
    http.post(&base).json(&dataset).send().await.expect("an answer");
    let table = json!({
        "tableReference": { "tableId": "t" },
        "schema": { "fields": [{ "name": "id", "type": "STRING" }] },
    });
    http.post(format!("{base}/d/tables")).json(&table).send().await.expect("an answer");
    let url =
        format!("http://{}/upload/bigquery/v2/projects/p/jobs?uploadType=multipart", process.rest);
    let (acknowledged, mut answered) = tokio::sync::mpsc::unbounded_channel();
    for client in 0..4 {
        let (url, acknowledged) = (url.clone(), acknowledged.clone());
        tokio::spawn(async move {
            for number in 0.. {
                let id = format!("job-{client}-{number}");
                let load = json!({
                    "destinationTable": crate::job_client::table("t"),
                    "sourceFormat": "NEWLINE_DELIMITED_JSON",
                });
                let file = json!({ "id": id }).to_string();
                let request = crate::job_client::multipart(&url, &id, load, file.as_bytes());
                match request.send().await {
                    Ok(answer) if answer.status() == 200 => drop(acknowledged.send(id)),
                    _ => break,
                }
            }
        });
    }
    drop(acknowledged);
    let mut ids = Vec::new();
    while ids.len() < 100 {
        ids.push(answered.recv().await.expect("an answer"));
    }
    process.kill();
    while let Some(id) = answered.recv().await {
        ids.push(id);
    }
    let mut written: Vec<String> = rows(&store, "t", None)
        .expect("rows")
        .rows
        .iter()
        .map(|row| row[0].as_str().expect("text").to_owned())
        .collect();
    let connection = rusqlite::Connection::open(&store).expect("the store");
    let sql = "SELECT json_extract(resource, '$.jobReference.jobId') FROM __jobs
               WHERE json_extract(resource, '$.status.state') = 'DONE'";
    let mut statement = connection.prepare(sql).expect("SQL");
    let jobs = statement.query_map([], |row| row.get(0)).expect("jobs");
    let mut jobs: Vec<String> = jobs.collect::<Result<_, _>>().expect("ids");
    let all: i64 = connection
        .query_row("SELECT count(*) FROM __jobs", [], |row| row.get(0))
        .expect("a number");
    assert_eq!(all, jobs.len() as i64, "every job is done");
    written.sort();
    jobs.sort();
    assert_eq!(written, jobs);
    assert!(ids.iter().all(|id| jobs.binary_search(id).is_ok()), "acknowledged jobs are there");
}
