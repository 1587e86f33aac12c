//! Resource names of tables and write streams.

/// Id of every table's default stream.
pub const DEFAULT_STREAM: &str = "_default";

/// `P.D.T`, the store's id of the table `projects/P/datasets/D/tables/T`.
pub fn table_id(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').collect();
    match parts[..] {
        ["projects", project, "datasets", dataset, "tables", table] => {
            Some(format!("{project}.{dataset}.{table}"))
        }
        _ => None,
    }
}

/// Table path and stream id of a stream's name. `T/_default` is short for `T/streams/_default`.
pub fn split_stream(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once("/streams/")
        .or_else(|| name.strip_suffix("/_default").map(|table| (table, DEFAULT_STREAM)))
}
