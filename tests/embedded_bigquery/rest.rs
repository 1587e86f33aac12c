//! The REST API: resources are stored unchanged, schemas follow BigQuery's rules, rows are listed and
//! inserted with `insertAll`.

use serde_json::{Value, json};

use crate::peer::{Peer, default_stream};

/// The path of the table `t`.
const T: &str = "datasets/d/tables/t";

fn reason(answer: &Value) -> (&str, &str) {
    let error = &answer["error"];
    assert_eq!(error["message"], error["errors"][0]["message"]);
    (
        error["errors"][0]["reason"].as_str().expect("a reason"),
        error["status"].as_str().expect("a status"),
    )
}

#[tokio::test]
async fn datasets_are_created_changed_and_deleted() {
    let peer = Peer::start().await;
    let dataset =
        |id: &str| Some(json!({ "datasetReference": { "datasetId": id }, "labels": { "a": "b" } }));
    let (status, made) = peer.rest("POST", "datasets", dataset("e")).await;
    assert_eq!((status, &made["labels"]["a"]), (200, &json!("b")));
    let (status, again) = peer.rest("POST", "datasets", dataset("e")).await;
    assert_eq!((status, reason(&again)), (409, ("duplicate", "ALREADY_EXISTS")));
    assert_eq!(peer.rest("POST", "datasets", dataset("no-hyphens")).await.0, 400);
    let (_, list) = peer.rest("GET", "datasets", None).await;
    let ids: Vec<&str> = list["datasets"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["id"].as_str())
        .collect();
    assert_eq!(ids, ["p:d", "p:e"]);
    let (status, changed) =
        peer.rest("PATCH", "datasets/e", Some(json!({ "description": "x", "labels": null }))).await;
    assert_eq!((status, &changed["description"], changed.get("labels")), (200, &json!("x"), None));
    assert_eq!(peer.rest("DELETE", "datasets/e", None).await.0, 200);
    let (status, gone) = peer.rest("GET", "datasets/e", None).await;
    assert_eq!((status, reason(&gone)), (404, ("notFound", "NOT_FOUND")));
    let (status, used) = peer.rest("DELETE", "datasets/d", None).await;
    assert_eq!((status, reason(&used).0), (400, "resourceInUse"));
    assert_eq!(peer.rest("DELETE", "datasets/d?deleteContents=true", None).await.0, 200);
    assert_eq!(peer.rest("GET", T, None).await.0, 404);
}

#[tokio::test]
async fn a_table_keeps_properties_that_the_server_does_not_know() {
    let peer = Peer::start().await;
    let body = json!({
        "tableReference": { "tableId": "whole" },
        "schema": { "fields": [
            { "name": "at", "type": "TIMESTAMP", "description": "when", "policyTags": { "names": ["x"] } },
            { "name": "kind", "type": "STRING", "maxLength": "10" },
        ]},
        "timePartitioning": { "type": "DAY", "field": "at", "expirationMs": "86400000" },
        "clustering": { "fields": ["kind"] },
        "labels": { "team": "delivery" },
        "somethingNew": { "deep": [1, { "er": true }] },
    });
    peer.make_table_of(body.clone()).await;
    let (_, table) = peer.rest("GET", "datasets/d/tables/whole", None).await;
    for (name, value) in body.as_object().expect("an object") {
        if name != "tableReference" {
            assert_eq!(&table[name], value, "{name}");
        }
    }
    assert_eq!(
        table["tableReference"],
        json!({ "projectId": "p", "datasetId": "d", "tableId": "whole" })
    );
    assert_eq!((&table["type"], &table["numRows"]), (&json!("TABLE"), &json!("0")));
    let (_, list) = peer.rest("GET", "datasets/d/tables?maxResults=1", None).await;
    assert_eq!(
        (&list["totalItems"], list["tables"].as_array().map(Vec::len)),
        (&json!(2), Some(1))
    );
    let next = list["nextPageToken"].as_str().expect("a token");
    let (_, rest) = peer.rest("GET", &format!("datasets/d/tables?pageToken={next}"), None).await;
    assert_eq!(rest["tables"][0]["id"], "p:d.whole");
}

#[tokio::test]
async fn a_change_with_an_outdated_etag_is_refused() {
    let peer = Peer::start().await;
    let (_, before) = peer.rest("GET", T, None).await;
    let etag = before["etag"].as_str().expect("an etag");
    let change = || Some(json!({ "description": "x" }));
    let (status, refused) = peer.rest_if("PATCH", T, change(), Some("older")).await;
    assert_eq!((status, reason(&refused)), (412, ("conditionNotMet", "FAILED_PRECONDITION")));
    let (status, after) = peer.rest_if("PATCH", T, change(), Some(etag)).await;
    assert_eq!(status, 200);
    assert_ne!(after["etag"], before["etag"]);
    assert_eq!(peer.rest_if("PUT", T, Some(after.clone()), Some(etag)).await.0, 412);
    assert_eq!(peer.rest_if("PUT", T, Some(after), Some("*")).await.0, 200);
}

#[tokio::test]
async fn table_changes_that_bigquery_does_not_allow_are_refused() {
    let peer = Peer::start().await;
    let (_, table) = peer.rest("GET", T, None).await;
    let changed = |edit: &dyn Fn(&mut Value)| {
        let mut body = table.clone();
        edit(&mut body);
        Some(body)
    };
    for (edit, expected) in [
        (
            &(|table: &mut Value| table["schema"]["fields"][1]["type"] = json!("STRING"))
                as &dyn Fn(&mut Value),
            "Field n has changed type from INTEGER to STRING",
        ),
        (
            &|table| drop(table["schema"]["fields"].as_array_mut().expect("fields").pop()),
            "Field n is missing in new schema",
        ),
        (
            &|table| {
                let fields = table["schema"]["fields"].as_array_mut().expect("fields");
                fields.push(json!({ "name": "must", "type": "STRING", "mode": "REQUIRED" }));
            },
            "Cannot add required fields to an existing schema",
        ),
        (
            &|table| table["timePartitioning"] = json!({ "type": "DAY" }),
            "Cannot change the partitioning",
        ),
        (
            &|table| table["clustering"] = json!({ "fields": ["none"] }),
            "Clustering is not possible",
        ),
    ] {
        let (status, refused) = peer.rest("PUT", T, changed(edit)).await;
        assert_eq!((status, reason(&refused)), (400, ("invalid", "INVALID_ARGUMENT")));
        let message = refused["error"]["message"].as_str().expect("a message");
        assert!(message.contains(expected), "{message}");
    }
    let relax = changed(&|table| table["schema"]["fields"][0]["mode"] = json!("NULLABLE"));
    assert_eq!(peer.rest("PUT", T, relax).await.0, 200);
}

#[tokio::test]
async fn invalid_tables_are_refused() {
    let peer = Peer::start().await;
    let at = json!({ "fields": [{ "name": "at", "type": "TIMESTAMP" }, { "name": "s", "type": "STRING" }] });
    for (body, status) in [
        (json!({ "tableReference": { "tableId": "t" } }), 409),
        (json!({ "tableReference": { "tableId": "a.b" } }), 400),
        (json!({ "tableReference": { "tableId": "" } }), 400),
        (json!({ "tableReference": { "tableId": "T" } }), 501),
        (
            json!({ "tableReference": { "tableId": "x" }, "schema": { "fields": [{ "name": "_TABLE_x", "type": "STRING" }] } }),
            400,
        ),
        (
            json!({ "tableReference": { "tableId": "x" }, "schema": at, "timePartitioning": { "type": "DAY", "field": "s" } }),
            400,
        ),
        (
            json!({ "tableReference": { "tableId": "x" }, "schema": at, "timePartitioning": { "type": "DAY", "field": "none" } }),
            400,
        ),
        (
            json!({ "tableReference": { "tableId": "x" }, "schema": at, "timePartitioning": { "field": "at" } }),
            400,
        ),
        (
            json!({
                "tableReference": { "tableId": "x" },
                "schema": { "fields": [{ "name": "on", "type": "DATE" }] },
                "timePartitioning": { "type": "HOUR", "field": "on" },
            }),
            400,
        ),
        (json!({ "tableReference": { "tableId": "x" }, "view": { "query": "SELECT 1" } }), 501),
    ] {
        let (got, answer) = peer.rest("POST", "datasets/d/tables", Some(body.clone())).await;
        assert_eq!(got, status, "{body}: {answer}");
    }
    let (status, answer) = peer
        .rest("POST", "datasets/none/tables", Some(json!({ "tableReference": { "tableId": "x" } })))
        .await;
    assert_eq!((status, reason(&answer).0), (404, "notFound"));
    let (status, answer) = peer.rest("POST", "queries", Some(json!({ "query": "SELECT 1" }))).await;
    assert_eq!((status, reason(&answer)), (501, ("notImplemented", "UNIMPLEMENTED")));
}

#[tokio::test]
async fn rows_are_listed_in_pages() {
    let peer = Peer::start().await;
    let ids: Vec<String> = (0..25).map(|index| format!("{index:02}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    peer.writer(&default_stream()).await.append(None, &ids).await.rows();
    let (mut seen, mut token) = (Vec::new(), String::new());
    let mut pages = 0;
    loop {
        let path = format!("{T}/data?maxResults=10&pageToken={token}");
        let (_, page) = peer.rest("GET", &path, None).await;
        assert_eq!(page["totalRows"], "25");
        let rows = page["rows"].as_array().expect("rows");
        seen.extend(rows.iter().map(|row| row["f"][0]["v"].as_str().expect("text").to_owned()));
        pages += 1;
        match page["pageToken"].as_str() {
            Some(next) => next.clone_into(&mut token),
            None => break,
        }
    }
    assert_eq!((seen.iter().map(String::as_str).collect::<Vec<_>>(), pages), (ids, 3));
    let (_, page) =
        peer.rest("GET", &format!("{T}/data?startIndex=24&selectedFields=n"), None).await;
    assert_eq!(page["rows"], json!([{ "f": [{ "v": null }] }]));
    assert_eq!(peer.rest("GET", &format!("{T}/data?selectedFields=none"), None).await.0, 400);
}

fn insert(rows: Value) -> Value {
    json!({ "rows": rows })
}

#[tokio::test]
async fn insert_all_accepts_json_and_rows_are_listed_in_google_s_form() {
    let peer = Peer::start().await;
    peer.make_table(
        "all",
        json!([
            { "name": "s", "type": "STRING" },
            { "name": "i", "type": "INTEGER" },
            { "name": "f", "type": "FLOAT" },
            { "name": "b", "type": "BOOLEAN" },
            { "name": "y", "type": "BYTES" },
            { "name": "n", "type": "NUMERIC" },
            { "name": "t", "type": "TIMESTAMP" },
            { "name": "d", "type": "DATE" },
            { "name": "dt", "type": "DATETIME" },
            { "name": "j", "type": "JSON" },
            { "name": "r", "type": "RECORD", "mode": "REPEATED", "fields": [
                { "name": "x", "type": "INTEGER" },
                { "name": "l", "type": "STRING", "mode": "REPEATED" },
            ]},
        ]),
    )
    .await;
    let row = json!({
        "s": "text", "i": "7", "f": 1, "b": true, "y": "AP8=", "n": 1.5, "t": "2026-11-21T10:30:00.5Z",
        "d": "2026-11-21", "dt": "2026-11-21 10:30:00", "j": { "a": [1] },
        "r": [{ "x": 1, "l": ["p", "q"] }, {}],
    });
    let path = "datasets/d/tables/all";
    let (status, answer) = peer
        .rest("POST", &format!("{path}/insertAll"), Some(insert(json!([{ "json": row }]))))
        .await;
    assert_eq!((status, answer.get("insertErrors")), (200, None), "{answer}");
    let (_, page) =
        peer.rest("GET", &format!("{path}/data?formatOptions.useInt64Timestamp=true"), None).await;
    let cells: Vec<&Value> =
        page["rows"][0]["f"].as_array().expect("cells").iter().map(|cell| &cell["v"]).collect();
    assert_eq!(
        json!(cells),
        json!([
            "text", "7", "1.0", "true", "AP8=", "1.5", "1795257000500000", "2026-11-21",
            "2026-11-21T10:30:00.000000", r#"{"a":[1]}"#,
            [
                { "v": { "f": [{ "v": "1" }, { "v": [{ "v": "p" }, { "v": "q" }] }] } },
                { "v": { "f": [{ "v": null }, { "v": [] }] } },
            ],
        ])
    );
}

#[tokio::test]
async fn insert_all_names_the_refused_rows() {
    let peer = Peer::start().await;
    let path = format!("{T}/insertAll");
    let rows = json!([
        { "json": { "id": "a" } },
        { "json": { "id": "b", "more": 1 } },
        { "json": { "n": 1 } },
        { "json": { "id": "c", "n": "many" } },
    ]);
    let (_, answer) = peer.rest("POST", &path, Some(insert(rows.clone()))).await;
    let refused: Vec<(u64, &str, &str)> = answer["insertErrors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|error| {
            let (index, first) = (&error["index"], &error["errors"][0]);
            let text = |name: &str| first[name].as_str().expect("text");
            (index.as_u64().expect("an index"), text("reason"), text("location"))
        })
        .collect();
    assert_eq!(
        refused,
        [(0, "stopped", ""), (1, "invalid", "more"), (2, "invalid", "id"), (3, "invalid", "n")]
    );
    assert_eq!(peer.ids(), Vec::<String>::new());
    let lenient = json!({ "rows": rows, "skipInvalidRows": true, "ignoreUnknownValues": true });
    let (_, answer) = peer.rest("POST", &path, Some(lenient)).await;
    assert_eq!(answer["insertErrors"].as_array().map(Vec::len), Some(2));
    assert_eq!(peer.ids(), ["a", "b"]);
    let twice = json!([{ "insertId": "1", "json": { "id": "c" } }, { "insertId": "1", "json": { "id": "c" } }]);
    peer.rest("POST", &path, Some(insert(twice))).await;
    assert_eq!(peer.ids(), ["a", "b", "c"], "the same insertId is the same row");
    assert_eq!(peer.rest("POST", &path, Some(insert(json!([])))).await.0, 400);
}

/// Of changes under the same etag, and of creations of the same table, one succeeds.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_several_clients_that_change_the_same_thing_one_succeeds() {
    const CLIENTS: usize = 8;
    let peer = Peer::start().await;
    for round in 0..50 {
        let name = format!("t{round}");
        let table = json!({ "tableReference": { "tableId": name } });
        let created = (0..CLIENTS)
            .map(|_| peer.rest("POST", "datasets/d/tables", Some(table.clone())))
            .collect::<Vec<_>>();
        assert_eq!(statuses(created).await, [vec![200], vec![409; CLIENTS - 1]].concat());
        let path = format!("datasets/d/tables/{name}");
        let (_, live) = peer.rest("GET", &path, None).await;
        let etag = live["etag"].as_str().expect("an etag");
        let changed = (0..CLIENTS)
            .map(|n| {
                peer.rest_if(
                    "PATCH",
                    &path,
                    Some(json!({ "description": n.to_string() })),
                    Some(etag),
                )
            })
            .collect::<Vec<_>>();
        assert_eq!(statuses(changed).await, [vec![200], vec![412; CLIENTS - 1]].concat());
    }
}

async fn statuses(calls: Vec<impl Future<Output = (u16, Value)>>) -> Vec<u16> {
    let answers = futures_util::future::join_all(calls).await;
    let mut statuses: Vec<u16> = answers.into_iter().map(|(status, _)| status).collect();
    statuses.sort_unstable();
    statuses
}

/// A short name must not show one of several tables as if it were the only one.
#[tokio::test]
async fn views_have_the_short_name_of_their_table_unless_several_tables_have_it() {
    let peer = Peer::start().await;
    let views = || {
        let store = rusqlite::Connection::open(peer.store()).expect("the store");
        let sql = "SELECT name FROM sqlite_master WHERE type = 'view' ORDER BY name";
        let mut statement = store.prepare(sql).expect("SQL");
        let names = statement.query_map([], |row| row.get(0)).expect("rows");
        let names: Vec<String> = names.collect::<Result<_, _>>().expect("names");
        for name in &names {
            store.prepare(&format!("SELECT * FROM \"{name}\"")).expect("a view that works");
        }
        names
    };
    let namesake = json!({
        "tableReference": { "tableId": "T" },
        "schema": { "fields": [{ "name": "other", "type": "STRING" }] },
    });
    assert_eq!(views(), ["t"]);
    peer.rest("POST", "datasets", Some(json!({ "datasetReference": { "datasetId": "e" } }))).await;
    assert_eq!(peer.rest("POST", "datasets/e/tables", Some(namesake)).await.0, 200);
    assert_eq!(views(), ["d.t", "e.T"]);
    let change = Some(json!({ "description": "x" }));
    assert_eq!(peer.rest("PATCH", T, change).await.0, 200);
    assert_eq!(views(), ["d.t", "e.T"]);
    assert_eq!(peer.rest("DELETE", T, None).await.0, 200);
    assert_eq!(views(), ["T"]);
    assert_eq!(peer.rest("DELETE", "datasets/e/tables/T", None).await.0, 200);
    assert_eq!(views(), [""; 0]);
}
