//! Partition decorators outside jobs.

use serde_json::json;

use crate::job_client::table;
use crate::peer::Peer;

#[tokio::test]
async fn a_decorator_names_a_partition_by_the_type_of_the_partitioning() {
    let peer = Peer::start().await;
    let file = b"{\"id\":\"a\",\"at\":\"2026-11-21 10:59:59\"}\n{\"id\":\"b\",\"at\":\"2026-11-21 11:00:00\"}\n\
                 {\"id\":\"c\",\"at\":\"2026-11-22 00:00:00\"}\n{\"id\":\"d\",\"at\":\"2026-12-01 00:00:00\"}\n\
                 {\"id\":\"e\",\"at\":\"2025-12-31 23:59:59\"}\n{\"id\":\"f\"}\n";
    for (kind, partitions) in [
        ("HOUR", [("2026112110", "a"), ("2026112111", "b"), ("__NULL__", "f")]),
        ("DAY", [("20261121", "ab"), ("20261122", "c"), ("__NULL__", "f")]),
        ("MONTH", [("202611", "abc"), ("202612", "d"), ("202510", "")]),
        ("YEAR", [("2026", "abcd"), ("2025", "e"), ("__NULL__", "f")]),
    ] {
        peer.make_table_of(json!({
            "tableReference": { "tableId": kind },
            "schema": { "fields": [{ "name": "id", "type": "STRING" }, { "name": "at", "type": "TIMESTAMP" }] },
            "timePartitioning": { "type": kind, "field": "at" },
        }))
        .await;
        let load =
            json!({ "destinationTable": table(kind), "sourceFormat": "NEWLINE_DELIMITED_JSON" });
        let (_, job) = peer.load(kind, load, file).await;
        assert_eq!(job["statistics"]["load"]["outputRows"], "6", "{job}");
        for (id, rows) in partitions {
            let name = format!("{kind}${id}");
            assert_eq!(peer.listed(&name).await.concat(), rows, "{name}");
            assert_eq!(peer.count(&name).await, rows.len().to_string(), "{name}");
        }
    }
    let (_, table) = peer.rest("GET", "datasets/d/tables/DAY$20261121", None).await;
    assert_eq!(table["tableReference"]["tableId"], "DAY$20261121");
    for (name, status) in [
        ("DAY$2026", 400),
        ("t$20261121", 400),
        ("DAY$__UNPARTITIONED__", 501),
        ("none$20261121", 404),
    ] {
        let path = format!("datasets/d/tables/{name}");
        assert_eq!(peer.rest("GET", &path, None).await.0, status, "{name}");
        assert_eq!(peer.rest("GET", &format!("{path}/data"), None).await.0, status, "{name}");
    }
    let rows = Some(json!({ "rows": [{ "json": { "id": "x" } }] }));
    let path = "datasets/d/tables/DAY$20261121";
    assert_eq!(peer.rest("POST", &format!("{path}/insertAll"), rows).await.0, 501);
    assert_eq!(peer.rest("PATCH", path, Some(json!({ "description": "x" }))).await.0, 501);
    assert_eq!(peer.rest("DELETE", path, None).await.0, 200);
    assert_eq!(peer.listed("DAY").await.concat(), "cdef");
}

#[tokio::test]
async fn a_table_partitioned_by_ingestion_time_has_rows_in_the_partition_of_now() {
    let peer = Peer::start().await;
    peer.make_table_of(json!({
        "tableReference": { "tableId": "now" },
        "schema": { "fields": [{ "name": "id", "type": "STRING" }] },
        "timePartitioning": { "type": "DAY" },
    }))
    .await;
    let day = || {
        let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
        now.strftime("%Y%m%d").to_string()
    };
    let before = day();
    peer.insert("now", &[json!({ "id": "a" })]).await;
    let mut count = peer.count(&format!("now${before}")).await;
    if before != day() && count == "0" {
        count = peer.count(&format!("now${}", day())).await;
    }
    assert_eq!(count, "1");
    assert_eq!(peer.count("now$20200101").await, "0");
}
