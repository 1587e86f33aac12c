//! A table into which a consumer has just written: its rows are in the streaming buffer.

use super::{Project, orders};
use crate::command_line::{generic_consumer, text};

#[test]
fn rows_in_the_streaming_buffer_are_not_merged_but_their_partition_is_replaced() {
    let project = Project::new();
    let embedded = "\n[consume.local]\nbootstrap_servers = \"embedded\"\n";
    let file = project.path().join("config/environments.toml");
    let environments = std::fs::read_to_string(&file).expect("there");
    std::fs::write(&file, environments + embedded).expect("written");
    project.write("orders-20261120.ndjson", orders("2026-11-20", 0..5, 2.0));
    let events = project.path().join("events.ndjson");
    std::fs::write(&events, orders("2026-11-20", 0..5, 1.0)).expect("written");
    let variables = [
        ("WRITE_ENV", "local"),
        ("CONTRACTS_DIR", "contracts"),
        ("CONSUME_ENV_ORDERS", "local"),
        ("GROUP_ID_ORDERS", "orders"),
        ("IMPORT_PATH_ORDERS", "orders_v1"),
        ("IMPORT_OBJECT_ORDERS", "Orders"),
        ("BQ_TABLE_ORDERS", "orders"),
        ("PARTITION_BY_ORDERS", "placed_at"),
        ("METRICS_ADDR", "127.0.0.1:0"),
    ];
    let consumer = ["ORDERS", "--until-caught-up", "--events", "events.ndjson"];
    let output = generic_consumer(project.path(), &consumer, &variables);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let before = project.rows();
    assert_eq!(before.len(), 5);

    let delta = ["transfer", "20261120", "orders", "delta", "transfers.toml"];
    let (code, page, errors) = project.run(&delta);
    assert_eq!(code, Some(3), "{page}{errors}");
    assert!(errors.contains("streaming buffer"), "{errors}");
    assert!(errors.contains("in mode truncate with a partition of one day"), "{errors}");
    assert_eq!(project.rows(), before, "the target is as it was");
    project.transfer(&["20261120", "orders", "truncate", "transfers.toml"]);
    let after = project.rows();
    assert_eq!(after.len(), 5);
    assert!(after.iter().all(|row| row.contains("\"amount\":2")), "{after:?}");
}
