# The program's keys (src/config/keys.rs) by who may set them. A test compares both lists with the
# program's table.
{
  # An instance's file may set these, as BASE or as BASE_DOMAIN, and nothing else.
  instance = [
    "BQ_TABLE"
    "IMPORT_PATH"
    "IMPORT_OBJECT"
    "IGNORE_EVENTS"
    "CONSUME_ENV"
    "GROUP_ID"
    "START_FROM"
    "ACCEPT_TOPIC_ID"
    "MANAGE_TABLE"
    "PARTITION_BY"
    "DEAD_LETTER"
    "DELIVERY_GUARANTEE"
    "ROW_LAYOUT"
    "IN_FLIGHT_BYTES"
    "BATCH_BYTES"
    "BATCH_ROWS"
    "BATCH_AGE_MS"
    "COMMIT_INTERVAL_MS"
    "DRAIN_SECONDS"
    "DISABLE"
  ];
  # These belong to the cluster, as do all keys that begin with CONSUME__ or WRITE__: where and as
  # whom it writes, what is in the image, what the probes call.
  cluster = [
    "CLUSTER"
    "ENV_FILE"
    "WRITE_ENV"
    "GOOGLE_APPLICATION_CREDENTIALS"
    "CONTRACTS_DIR"
    "METRICS_ADDR"
  ];
}
