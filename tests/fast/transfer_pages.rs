//! What `transfer` shows: the plan, the summary, the status, the metrics, and its mistakes.

use serde_json::Value;

use crate::transfer::{Project, TRANSFERS, orders};

const RUN: &[&str] = &["transfer", "20261120", "orders", "truncate", "transfers.toml"];

#[test]
fn the_status_shows_the_last_runs() {
    let project = Project::new();
    let status = |arguments: &[&str]| {
        let all = [&["transfer", "status", "orders", "transfers.toml"], arguments].concat();
        let (code, page, errors) = project.run(&all);
        assert_eq!(code, Some(0), "{page}{errors}");
        page
    };
    assert!(status(&[]).contains("it has never run to its end"), "{}", status(&[]));
    project.write("orders-20261120.ndjson", orders("2026-11-20", 0..40, 1.5));
    project.write("orders-20261121.ndjson", orders("2026-11-21", 40..70, 2.5));
    for day in ["20261120", "20261121"] {
        project.transfer(&[day, "orders", "truncate", "transfers.toml"]);
    }
    let range = ["20261121", "orders", "delta", "transfers.toml", "--delta-start-date", "20261120"];
    project.transfer(&range);
    let page = status(&[]);
    let rows: Vec<&str> = page.lines().filter(|line| line.contains("2026-11-2")).collect();
    assert_eq!(rows.len(), 3, "{page}");
    for cell in ["3 ", "2026-11-20 to 2026-11-21", "delta", " 70 "] {
        assert!(rows[0].contains(cell), "the last run first: {page}");
    }
    assert!(page.contains("no run goes on") && page.contains("3 runs"), "{page}");
    assert!(page.contains("billed for this: 10.00 MiB"), "{page}");
    let two: Value = serde_json::from_str(&status(&["-n", "2", "--json"])).expect("JSON");
    let runs = two["runs"].as_array().expect("an array");
    let numbers: Vec<_> = runs.iter().map(|run| run["run"].as_u64()).collect();
    assert_eq!(numbers, [Some(3), Some(2)]);
    assert_eq!(runs[1]["rows_deleted"], Value::Null, "a copy has replaced them");
    assert_eq!(runs[0]["rows_updated"], 70);
    assert_eq!(two["running"], serde_json::json!([]));
    assert!(runs[0]["ended_at"].as_str() > runs[1]["ended_at"].as_str(), "{two}");
    for (arguments, code, said) in [
        (&["transfer", "status", "order", "transfers.toml"][..], 1, "did you mean `orders`"),
        (&["transfer", "status", "orders"], 1, "CONFIG_LOCATION"),
        (&["transfer", "status", "orders", "transfers.toml", "-n", "0"], 2, "1..=1000"),
        (&["transfer", "20261120", "orders"], 2, "transfer status [OPTIONS]"),
    ] {
        let (found, page, errors) = project.run(arguments);
        assert_eq!(found, Some(code), "{arguments:?}: {page}{errors}");
        assert!(errors.contains(said), "{arguments:?}: {errors}");
    }
}

#[test]
fn a_dry_run_finds_a_wrong_key() {
    let project = Project::new();
    project.write("orders-20261120.ndjson", orders("2026-11-20", 0..3, 1.0));
    let file = project.path().join("transfers.toml");
    let text = std::fs::read_to_string(&file).expect("there");
    for (key, said) in [("nothing", "is no column"), ("amount", "may be missing")] {
        let wrong = text.replacen("key = [\"order_id\"]", &format!("key = [\"{key}\"]"), 1);
        std::fs::write(&file, wrong).expect("written");
        let arguments =
            ["transfer", "20261120", "orders", "truncate", "transfers.toml", "--dry-run"];
        let (code, page, errors) = project.run(&arguments);
        assert_eq!(code, Some(1), "{page}{errors}");
        assert!(errors.contains(said), "{errors}");
    }
}

#[test]
fn a_dry_run_says_what_would_be_done_and_writes_nothing() {
    let project = Project::new();
    project.write("orders-20261120.ndjson", orders("2026-11-20", 0..3, 1.0));
    let arguments = ["20261120", "orders", "truncate", "transfers.toml", "--dry-run"];
    let page = project.transfer(&arguments);
    for said in [
        "orders-20261120.ndjson",
        "2026-11-20 in UTC",
        "local.shop.orders is created, with a partition for each day of placed_at",
        "replace     0 rows",
        "into local.shop.orders_dead_letters; with more than 0, the target stays as it is",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let (code, _, _) = project.run(&["local", "rows", "orders"]);
    assert_ne!(code, Some(0), "there is no table");
    project.transfer(&RUN[1..]);
    let page = project.transfer(&arguments);
    assert!(page.contains("replace the partition local.shop.orders$20261120 by a copy"), "{page}");
    assert!(page.contains("3 rows, counted by a query that billed 10.00 MiB"), "{page}");
    let other = ["20261120", "last", "delta", "transfers.toml", "--dry-run"];
    let page = project.transfer(&other);
    let berlin = "in Europe/Berlin: 24 hours, 2026-11-19 23:00Z to 2026-11-20 23:00Z";
    assert!(page.contains(berlin) && page.contains("merge into the rows of"), "{page}");
}

#[test]
fn the_summary_has_the_time_of_each_step_and_one_row_is_no_rows() {
    let project = Project::new();
    project.write("orders-20261120.ndjson", orders("2026-11-20", 0..1, 1.0));
    let page = project.transfer(&RUN[1..]);
    for said in [
        "1 record\n",
        "1 row\n",
        "1 row, in place of those before",
        "pre_execution_cleansing",
        "pipeline  staging",
        "moving",
        "post_execution_cleanup",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
}

#[test]
fn repeated_keys_are_named() {
    let project = Project::new();
    let run = |content: String| {
        project.write("orders-20261120.ndjson", content);
        let (code, _, errors) = project.run(RUN);
        assert_eq!(code, Some(1), "{errors}");
        errors
    };
    let one = format!("{}{}", orders("2026-11-20", 0..3, 1.0), orders("2026-11-20", 1..2, 2.0));
    let said = run(one);
    assert!(
        said.contains("error: 1 key is that of several rows: order_id \"o1\" (2 rows)\n"),
        "{said}"
    );
    let day = || orders("2026-11-20", 0..7, 1.0);
    let said = run(format!("{}{}{}", day(), day(), orders("2026-11-20", 5..6, 1.0)));
    let first =
        "7 keys are those of several rows: order_id \"o5\" (3 rows); order_id \"o0\" (2 rows); ";
    assert!(said.contains(first) && said.contains("\"o3\" (2 rows); …"), "{said}");
}

#[test]
fn a_misspelt_name_is_one_mistake_and_keys_are_spelt_as_in_the_file() {
    let project = Project::new();
    let (code, _, errors) =
        project.run(&["transfer", "20261120", "order", "truncate", "transfers.toml"]);
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("has 1 mistake\n"), "{errors}");
    assert!(errors.contains("orders, last; did you mean `orders`?"), "{errors}");
    for (from, to, key) in [
        ("key = [", "kye = [", "transfer.orders.kye\n"),
        ("date_column = \"placed_at\"", "", "transfer.orders.date_column\n"),
        ("format = \"ndjson\"", "format = \"xml\"", "transfer.orders.source.format\n"),
        ("contract = \"orders_v1\"", "contract = \"../a\"", "transfer.orders.contract\n"),
    ] {
        let file = TRANSFERS.replacen(from, to, 1);
        std::fs::write(project.path().join("wrong.toml"), file).expect("written");
        let (code, _, errors) =
            project.run(&["transfer", "20261120", "orders", "truncate", "wrong.toml"]);
        assert_eq!(code, Some(1), "{key}: {errors}");
        assert!(errors.contains(&format!("\n  {key}")), "{key}: {errors}");
    }
}

#[test]
fn a_store_that_is_not_there_is_told() {
    let project = Project::new();
    let (code, _, errors) = project.run(&["local", "rows", "orders"]);
    assert_eq!(code, Some(3), "{errors}");
    assert!(errors.contains("error: there is no store "), "{errors}");
    assert!(!errors.contains("Error code"), "{errors}");
}

#[test]
fn metrics_are_written_also_of_a_run_that_fails() {
    let project = Project::new();
    let file = project.path().join("orders.prom");
    let path = file.to_str().expect("UTF-8");
    let run = |code: i32| {
        let (found, page, errors) = project.run(&[RUN, &["--metrics-file", path]].concat());
        assert_eq!(found, Some(code), "{page}{errors}");
        std::fs::read_to_string(&file).expect("the metrics")
    };
    let value = |text: &str, name: &str| {
        let start =
            format!("generic_consumer_transfer_{name}{{transfer=\"orders\",mode=\"truncate\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&start)?.parse::<f64>().ok())
    };
    project.write("orders-20261120.ndjson", orders("2026-11-20", 0..40, 1.5));
    let text = run(0);
    for (name, expected) in
        [("read_records", 40.0), ("staged_rows", 40.0), ("exit_code", 0.0), ("inserted_rows", 40.0)]
    {
        assert_eq!(value(&text, name), Some(expected), "{name}: {text}");
    }
    assert_eq!(value(&text, "deleted_rows"), None, "a copy does not say");
    for phase in ["staging", "checking", "moving"] {
        assert!(text.contains(&format!("step=\"pipeline\",phase=\"{phase}\"}}")), "{text}");
    }
    let success = value(&text, "last_success_timestamp_seconds");
    assert!(success > value(&text, "last_start_timestamp_seconds"), "{text}");
    project.write("orders-20261120.ndjson", "{\n");
    let text = run(7);
    assert_eq!(value(&text, "exit_code"), Some(7.0));
    assert_eq!(value(&text, "rejected_records"), Some(1.0));
    assert_eq!(value(&text, "last_success_timestamp_seconds"), success, "{text}");
    std::fs::remove_file(project.path().join("exports/orders-20261120.ndjson")).expect("removed");
    assert_eq!(value(&run(3), "last_success_timestamp_seconds"), success);
    // Found before anything is done.
    let nowhere = [RUN, &["--metrics-file=none/orders.prom"]].concat();
    let (code, _, errors) = project.run(&nowhere);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("write the metrics to none/orders.prom"), "{errors}");
}
