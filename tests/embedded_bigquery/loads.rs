//! Load jobs from uploaded files.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::{CONTENT_RANGE, LOCATION, RANGE};
use serde_json::{Value, json};

use crate::job_client::{error, table};
use crate::peer::Peer;

fn json_lines(to: &str) -> Value {
    json!({ "destinationTable": table(to), "sourceFormat": "NEWLINE_DELIMITED_JSON" })
}

fn with(mut load: Value, properties: Value) -> Value {
    let properties = properties.as_object().expect("an object").clone();
    load.as_object_mut().expect("an object").extend(properties);
    load
}

#[tokio::test]
async fn json_lines_are_loaded_with_the_schema_of_the_table_or_of_the_job() {
    let peer = Peer::start().await;
    let file = b"{\"id\":\"a\",\"n\":\"7\"}\n\n{\"id\":\"b\"}\r\n";
    let (status, job) = peer.load("one", json_lines("t"), file).await;
    assert_eq!((status, &job["status"]), (200, &json!({ "state": "DONE" })), "{job}");
    assert_eq!(
        job["statistics"]["load"],
        json!({
            "inputFiles": "1",
            "inputFileBytes": file.len().to_string(),
            "outputRows": "2",
            // Two strings of 2 + 1 bytes, one INTEGER, one NULL.
            "outputBytes": "14",
            "badRecords": "0",
        })
    );
    assert_eq!(peer.rows("t"), [json!({ "id": "a", "n": 7 }), json!({ "id": "b", "n": null })]);
    assert_eq!(peer.load("one", json_lines("t"), file).await.0, 409);
    assert_eq!(peer.ids(), ["a", "b"]);
    let (_, job) = peer.load("two", json_lines("new"), file).await;
    assert_eq!(error(&job), ("invalid", "No schema specified on job or table."));
    let schema =
        json!({ "fields": [{ "name": "id", "type": "STRING" }, { "name": "n", "type": "FLOAT" }] });
    let mut zipped = GzEncoder::new(Vec::new(), Compression::fast());
    zipped.write_all(file).expect("written");
    let zipped = zipped.finish().expect("zipped");
    let load = with(json_lines("new"), json!({ "schema": schema }));
    let (_, job) = peer.load("three", load.clone(), &zipped).await;
    assert_eq!(job["statistics"]["load"]["inputFileBytes"], zipped.len().to_string(), "{job}");
    assert_eq!(peer.rows("new"), [json!({ "id": "a", "n": 7.0 }), json!({ "id": "b", "n": null })]);
    // The schema of the job replaces that of a truncated table, and has to fit otherwise.
    let schema = json!({ "fields": [{ "name": "id", "type": "STRING" }] });
    let other = with(load, json!({ "schema": schema }));
    let (_, job) = peer.load("four", other.clone(), b"{\"id\":\"c\"}").await;
    let message = "Provided Schema does not match Table p:d.new. Field n is missing in new schema";
    assert_eq!(error(&job), ("invalid", message));
    let other = with(other, json!({ "writeDisposition": "WRITE_TRUNCATE" }));
    peer.load("five", other, b"{\"id\":\"c\"}").await;
    assert_eq!(peer.rows("new"), [json!({ "id": "c" })]);
}

#[tokio::test]
async fn bad_records_fail_the_job_unless_it_allows_them() {
    let peer = Peer::start().await;
    let file = b"{\"id\":\"a\"}\n{\"id\":\"b\",\"x\":null}\n{\"n\":1}\nnonsense\n";
    let (status, job) = peer.load("bad", json_lines("t"), file).await;
    let prefix = "Error while reading data, error message:";
    let message = format!(
        "{prefix} JSON table encountered too many errors, giving up. Rows: 4; errors: 3. Please look \
         into the errors[] collection for more details."
    );
    assert_eq!((status, error(&job)), (200, ("invalid", &*message)));
    let errors = job["status"]["errors"].as_array().expect("errors");
    let position =
        |at: usize| format!("{prefix} JSON parsing error in row starting at position {at}:");
    for (index, expected) in [
        format!("{} No such field: x.", position(11)),
        format!("{} Missing required field: id.", position(31)),
        format!("{} Parser terminated before end of string", position(39)),
    ]
    .iter()
    .enumerate()
    {
        let message = errors[index + 1]["message"].as_str().expect("a message");
        assert!(message.starts_with(expected.as_str()), "{message}");
    }
    assert_eq!(peer.ids(), [""; 0], "not one row is loaded");
    let load = with(json_lines("t"), json!({ "ignoreUnknownValues": true, "maxBadRecords": 2 }));
    let (_, job) = peer.load("fine", load, file).await;
    assert_eq!(job["statistics"]["load"]["badRecords"], "2", "{job}");
    let warnings = job["status"]["errors"].as_array().map(Vec::len);
    assert_eq!((&job["status"]["errorResult"], warnings), (&Value::Null, Some(2)));
    assert_eq!(peer.ids(), ["a", "b"]);
}

#[tokio::test]
async fn csv_is_loaded() {
    let peer = Peer::start().await;
    peer.make_table(
        "c",
        json!([
            { "name": "s", "type": "STRING" },
            { "name": "n", "type": "INTEGER" },
            { "name": "b", "type": "BOOLEAN" },
            { "name": "at", "type": "TIMESTAMP" },
        ]),
    )
    .await;
    let load = with(
        json!({ "destinationTable": table("c"), "sourceFormat": "CSV" }),
        json!({ "skipLeadingRows": 1, "fieldDelimiter": ";", "allowQuotedNewlines": true }),
    );
    let file = "s;n;b;at\n\"x;\n\"\"y\"\"\";1;yes;2026-01-02 03:04:05\n;;;\n\"\";2;0;\n";
    let (_, job) = peer.load("one", load.clone(), file.as_bytes()).await;
    assert_eq!(job["status"], json!({ "state": "DONE" }), "{job}");
    assert_eq!(
        peer.rows("c"),
        [
            json!({ "s": "x;\n\"y\"", "n": 1, "b": true, "at": "2026-01-02T03:04:05.000000Z" }),
            json!({ "s": null, "n": null, "b": null, "at": null }),
            json!({ "s": "", "n": 2, "b": false, "at": null }),
        ]
    );
    for (id, line, expected) in [
        (
            "few",
            "a;1\n",
            "CSV table references column position 2, but line starting at position:9 contains only 2 columns.",
        ),
        ("many", "a;1;t;;\n", "Too many values in row starting at position: 9."),
        (
            "wrong",
            "a;b;t;\n",
            "Could not parse 'b' as INTEGER for field n (position 1) starting at location 9",
        ),
    ] {
        let (_, job) = peer.load(id, load.clone(), format!("s;n;b;at\n{line}").as_bytes()).await;
        assert!(error(&job).1.contains("CSV table encountered too many errors"), "{job}");
        let message = job["status"]["errors"][1]["message"].as_str().expect("a message");
        assert!(message.contains(expected), "{message}");
    }
    let truncate =
        json!({ "nullMarker": "-", "allowJaggedRows": true, "writeDisposition": "WRITE_TRUNCATE" });
    let (_, job) = peer.load("nulls", with(load, truncate), b"\n\n-;-\n\"-\";1\n").await;
    assert_eq!(job["status"], json!({ "state": "DONE" }), "{job}");
    assert_eq!(peer.count("c").await, "1", "the first row is the header, and blank lines are none");
    peer.make_table("r", json!([{ "name": "s", "type": "STRING", "mode": "REPEATED" }])).await;
    let (_, job) = peer.load("repeated", json!({ "destinationTable": table("r") }), b"a\n").await;
    assert_eq!(error(&job), ("invalid", "Cannot load CSV data with a repeated field. Field: s"));
}

#[tokio::test]
async fn a_load_into_a_partition_replaces_it() {
    let peer = Peer::start().await;
    peer.make_table_of(json!({
        "tableReference": { "tableId": "days" },
        "schema": { "fields": [{ "name": "id", "type": "STRING" }, { "name": "at", "type": "DATE" }] },
        "timePartitioning": { "type": "DAY", "field": "at" },
    }))
    .await;
    // Load jobs take rows of any day, while only days near today can be streamed.
    let file = b"{\"id\":\"a\",\"at\":\"2001-02-03\"}\n{\"id\":\"b\",\"at\":\"2001-02-04\"}\n";
    peer.load("all", json_lines("days"), file).await;
    let truncate = json!({ "writeDisposition": "WRITE_TRUNCATE" });
    let load = with(json_lines("days$20010203"), truncate);
    let (_, job) = peer.load("day", load.clone(), b"{\"id\":\"c\",\"at\":\"2001-02-03\"}").await;
    assert_eq!(job["status"], json!({ "state": "DONE" }), "{job}");
    assert_eq!(peer.listed("days").await, ["b", "c"]);
    let (_, job) = peer.load("other", load, b"{\"id\":\"d\",\"at\":\"2001-02-04\"}").await;
    assert_eq!(
        error(&job).1,
        "Some rows belong to different partitions rather than destination partition 20010203"
    );
    assert_eq!(peer.listed("days").await, ["b", "c"]);
    let layout = json!({ "timePartitioning": { "type": "DAY" } });
    let (_, job) = peer.load("layout", with(json_lines("days"), layout), file).await;
    assert_eq!(
        error(&job).1,
        "Incompatible table partitioning specification. Expects partitioning specification \
         interval(type:day,field:at), but input partitioning specification is interval(type:day)"
    );
}

#[tokio::test]
async fn a_file_may_arrive_in_several_requests() {
    let peer = Peer::start().await;
    let job = json!({
        "jobReference": { "jobId": "slow" },
        "configuration": { "load": json_lines("t") },
    });
    let client = reqwest::Client::new();
    let begun =
        client.post(peer.upload_url("resumable")).json(&job).send().await.expect("an answer");
    assert_eq!(begun.status(), 200);
    let session = begun.headers()[LOCATION].to_str().expect("a URL").to_owned();
    let put = async |range: &str, bytes: &'static [u8]| {
        let request = client.put(&session).header(CONTENT_RANGE, range).body(bytes);
        let response = request.send().await.expect("an answer");
        let received =
            response.headers().get(RANGE).map(|range| range.to_str().expect("text").to_owned());
        let status = response.status().as_u16();
        (status, received, response.json::<Value>().await.unwrap_or_default())
    };
    assert_eq!(put("bytes */*", b"").await, (308, None, Value::Null));
    let first = b"{\"id\":\"a\"}\n{\"id\"";
    let received = Some("bytes=0-15".to_owned());
    assert_eq!(put("bytes 0-15/*", first).await, (308, received.clone(), Value::Null));
    // The answer was lost, and the client asks, or sends the bytes again.
    assert_eq!(put("bytes */*", b"").await, (308, received.clone(), Value::Null));
    assert_eq!(put("bytes 0-15/*", first).await, (308, received, Value::Null));
    assert_eq!(put("bytes 17-20/*", b"late").await.0, 400, "a byte is missing");
    let (status, _, done) = put("bytes 16-21/22", b":\"b\"}\n").await;
    assert_eq!((status, &done["status"]), (200, &json!({ "state": "DONE" })), "{done}");
    let again = put("bytes 16-21/22", b":\"b\"}\n").await;
    assert_eq!(again, (200, None, done));
    assert_eq!(peer.ids(), ["a", "b"]);
    assert_eq!(client.put(format!("{session}0")).send().await.expect("an answer").status(), 404);
    assert_eq!(
        client.post(peer.upload_url("media")).send().await.expect("an answer").status(),
        501
    );
}
