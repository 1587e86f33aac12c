//! Copy jobs: dispositions, schemas, partitions.

use serde_json::{Value, json};

use crate::job_client::{copy, error, table};
use crate::peer::Peer;

/// Three days near today, as a date and as the id of a partition.
fn days() -> [(String, String); 3] {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    [0, 1, 2].map(|back| {
        let day = today.saturating_sub(jiff::Span::new().days(back));
        (day.to_string(), day.strftime("%Y%m%d").to_string())
    })
}

/// Creates a table partitioned by the day of the column `at`.
async fn make_days(peer: &Peer, name: &str) {
    peer.make_table_of(json!({
        "tableReference": { "tableId": name },
        "schema": { "fields": [{ "name": "id", "type": "STRING" }, { "name": "at", "type": "TIMESTAMP" }] },
        "timePartitioning": { "type": "DAY", "field": "at" },
    }))
    .await;
}

fn row(id: &str, day: &str) -> Value {
    json!({ "id": id, "at": format!("{day} 10:00:00") })
}

#[tokio::test]
async fn a_copy_into_a_partition_replaces_the_rows_of_that_partition_alone() {
    let peer = Peer::start().await;
    let [(first, first_id), (second, second_id), (third, _)] = days();
    make_days(&peer, "days").await;
    make_days(&peer, "staged").await;
    let rows = [row("old 1", &first), row("old 2", &second), json!({ "id": "no day" })];
    peer.insert("days", &rows).await;
    peer.insert("staged", &[row("new a", &second), row("new b", &second)]).await;
    let into = format!("days${second_id}");
    peer.done(copy("staged", &into, "WRITE_TRUNCATE")).await;
    assert_eq!(peer.listed("days").await, ["old 1", "no day", "new a", "new b"]);
    assert_eq!(peer.listed(&into).await, ["new a", "new b"]);
    peer.done(copy("staged", &into, "WRITE_APPEND")).await;
    assert_eq!((peer.count(&into).await, peer.count("days").await), ("4".into(), "6".into()));
    peer.done(copy("staged", &into, "WRITE_TRUNCATE_DATA")).await;
    assert_eq!((peer.count(&into).await, peer.count("days").await), ("2".into(), "4".into()));
    let job = peer.job(copy("staged", &into, "WRITE_EMPTY")).await;
    assert_eq!(error(&job), ("duplicate", &*format!("Already Exists: Table p:d.{into}")));
    // Rows of two days do not fit into one partition, and nothing is replaced.
    peer.insert("staged", &[row("other day", &third)]).await;
    let job = peer.job(copy("staged", &into, "WRITE_TRUNCATE")).await;
    let message = format!(
        "Some rows belong to different partitions rather than destination partition {second_id}"
    );
    assert_eq!(error(&job), ("invalid", &*message));
    assert_eq!(peer.listed(&into).await, ["new a", "new b"]);
    // One partition of the source does.
    let from = format!("staged${second_id}");
    peer.done(copy(&from, &into, "WRITE_TRUNCATE")).await;
    assert_eq!(peer.listed(&into).await, ["new a", "new b"]);
    // A row without a day belongs to no day.
    peer.insert("staged", &[json!({ "id": "no day" })]).await;
    let job = peer.job(copy("staged", &format!("days${first_id}"), "WRITE_APPEND")).await;
    assert!(error(&job).1.contains("different partitions"), "{job}");
}

#[tokio::test]
async fn layouts_that_do_not_fit_are_refused() {
    let peer = Peer::start().await;
    make_days(&peer, "days").await;
    let schema = json!({ "fields": [{ "name": "id", "type": "STRING" }, { "name": "at", "type": "TIMESTAMP" }] });
    let make = async |name: &str, layout: Value| {
        let mut body = json!({ "tableReference": { "tableId": name }, "schema": schema });
        body.as_object_mut()
            .expect("an object")
            .extend(layout.as_object().expect("an object").clone());
        peer.make_table_of(body).await;
    };
    make("plain", json!({})).await;
    make("months", json!({ "timePartitioning": { "type": "MONTH", "field": "at" } })).await;
    let numbers = json!({ "field": "id", "range": { "start": "0", "end": "9", "interval": "3" } });
    make("numbers", json!({ "rangePartitioning": numbers })).await;
    make("ingested", json!({ "timePartitioning": { "type": "DAY" } })).await;
    make(
        "clustered",
        json!({ "timePartitioning": { "type": "DAY", "field": "at" }, "clustering": { "fields": ["id"] } }),
    )
    .await;
    let expects = |expected: &str, found: &str| {
        format!(
            "Incompatible table partitioning specification. Expects partitioning specification \
             {expected}, but input partitioning specification is {found}"
        )
    };
    let (day, month) = ("interval(type:day,field:at)", "interval(type:month,field:at)");
    let by_column = "Incompatible table partitioning specification when copying to the column \
                     partitioned table";
    for (from, to, write, message) in [
        ("plain", "days", "WRITE_TRUNCATE", by_column.to_owned()),
        ("plain", "days$20260101", "WRITE_APPEND", by_column.to_owned()),
        ("plain", "numbers", "WRITE_APPEND", by_column.to_owned()),
        ("months", "days", "WRITE_TRUNCATE", expects(day, month)),
        ("days", "plain", "WRITE_TRUNCATE", expects("none", day)),
        ("ingested", "days", "WRITE_APPEND", expects(day, "interval(type:day)")),
        ("days", "clustered", "WRITE_APPEND", expects(&format!("{day} clustering(id)"), day)),
        (
            "plain",
            "plain$20260101",
            "WRITE_APPEND",
            "Cannot add storage to a non-partitioned table with a partition reference: p:d.plain".to_owned(),
        ),
        (
            "plain$20260101",
            "ingested",
            "WRITE_APPEND",
            "Cannot read partition information from a table that is not partitioned: \
             p:d.plain$20260101"
                .to_owned(),
        ),
        (
            "plain",
            "new$20260101",
            "WRITE_APPEND",
            "Partitioning specification must be provided in order to create partitioned table".to_owned(),
        ),
        ("t", "plain", "WRITE_APPEND", "Provided Schema does not match Table p:d.plain. Field id has changed mode from NULLABLE to REQUIRED".to_owned()),
    ] {
        let job = peer.job(copy(from, to, write)).await;
        assert_eq!(error(&job), ("invalid", &*message), "{from} to {to}");
    }
    for id in ["2026", "202601", "2026010100", "20260230", "today"] {
        let job = peer.job(copy("days", &format!("days${id}"), "WRITE_APPEND")).await;
        assert!(error(&job).1.contains("Invalid partition id"), "{job}");
    }
    let mut both = copy("t", "u", "WRITE_APPEND");
    both["copy"]["sourceTables"] = json!([table("t"), table("plain")]);
    both["copy"]["sourceTable"] = Value::Null;
    let job = peer.job(both).await;
    let message = "Incompatible table schemata between tables: p:d.t, p:d.plain";
    assert_eq!(error(&job), ("invalid", message));
    // These fit.
    peer.done(copy("days", "clustered", "WRITE_TRUNCATE")).await;
    let (_, replaced) = peer.rest("GET", "datasets/d/tables/clustered", None).await;
    assert_eq!(replaced.get("clustering"), None);
    peer.insert("plain", &[json!({ "id": "a" })]).await;
    peer.done(copy("plain", "ingested$20200102", "WRITE_APPEND")).await;
    peer.done(copy("plain", "ingested", "WRITE_APPEND")).await;
    let (_, today) = days()[0].clone();
    assert_eq!(peer.count("ingested").await, "2");
    assert_eq!(peer.listed("ingested$20200102").await, ["a"]);
    assert_eq!(peer.listed(&format!("ingested${today}")).await, ["a"]);
    // A copy of the table keeps the partitions.
    peer.done(copy("ingested", "again", "WRITE_EMPTY")).await;
    assert_eq!(peer.count("again$20200102").await, "1");
    let (_, again) = peer.rest("GET", "datasets/d/tables/again", None).await;
    assert_eq!((again.get("labels"), &again["timePartitioning"]["type"]), (None, &json!("DAY")));
}

#[tokio::test]
async fn a_truncating_copy_replaces_schema_and_labels_and_one_of_the_data_does_not() {
    let peer = Peer::start().await;
    let make = async |name: &str, kind: &str, labels: Value| {
        peer.make_table_of(json!({
            "tableReference": { "tableId": name },
            "schema": { "fields": [
                { "name": "id", "type": "STRING", "description": name },
                { "name": "x", "type": kind },
            ]},
            "labels": labels,
        }))
        .await;
    };
    make("texts", "STRING", json!({ "of": "texts" })).await;
    make("numbers", "INTEGER", json!({ "of": "numbers" })).await;
    make("target", "STRING", json!({ "of": "target" })).await;
    peer.insert("texts", &[json!({ "id": "a", "x": "text" })]).await;
    peer.insert("numbers", &[json!({ "id": "b", "x": 7 })]).await;
    peer.insert("target", &[json!({ "id": "old", "x": "old" })]).await;
    let target = async || peer.rest("GET", "datasets/d/tables/target", None).await.1;
    peer.done(copy("texts", "target", "WRITE_TRUNCATE_DATA")).await;
    assert_eq!(peer.listed("target").await, ["a"]);
    let table = target().await;
    assert_eq!(table["schema"]["fields"][0]["description"], "target");
    assert_eq!(table["labels"], json!({ "of": "target" }));
    for write in ["WRITE_TRUNCATE_DATA", "WRITE_APPEND"] {
        let job = peer.job(copy("numbers", "target", write)).await;
        let message = "Provided Schema does not match Table p:d.target. Field x has changed type \
                       from STRING to INTEGER";
        assert_eq!(error(&job), ("invalid", message));
    }
    let job = peer.job(copy("texts", "target", "WRITE_EMPTY")).await;
    assert_eq!(error(&job), ("duplicate", "Already Exists: Table p:d.target"));
    peer.done(copy("numbers", "target", "WRITE_TRUNCATE")).await;
    let table = target().await;
    assert_eq!(table["schema"]["fields"][1]["type"], "INTEGER");
    assert_eq!(table["labels"], json!({ "of": "numbers" }));
    assert_eq!(peer.rows("target"), [json!({ "id": "b", "x": 7 })]);
    peer.insert("target", &[json!({ "id": "c", "x": 8 })]).await;
    // A table can be copied onto itself.
    peer.done(copy("target", "target", "WRITE_TRUNCATE")).await;
    assert_eq!(peer.listed("target").await, ["b", "c"]);
    peer.done(copy("target", "target", "WRITE_APPEND")).await;
    assert_eq!(peer.listed("target").await, ["b", "c", "b", "c"]);
}

#[tokio::test]
async fn rows_that_a_stream_has_not_committed_are_neither_copied_nor_replaced() {
    use gcp_bigquery_client::google::cloud::bigquery::storage::v1::write_stream::Type;
    let peer = Peer::start().await;
    let stream = peer.create(Type::Buffered).await;
    peer.writer(&stream).await.append(Some(0), &["later"]).await.rows();
    peer.insert("t", &[json!({ "id": "now" })]).await;
    peer.done(copy("t", "u", "WRITE_EMPTY")).await;
    assert_eq!(peer.listed("u").await, ["now"]);
    peer.insert("u", &[json!({ "id": "more" })]).await;
    peer.done(copy("u", "t", "WRITE_TRUNCATE")).await;
    peer.flush(&stream, 0).await.expect("flushed");
    let mut ids = peer.ids();
    ids.sort();
    assert_eq!(ids, ["later", "more", "now"]);
}
