# The program's keys of a transfer's table and of its source, by the kind of the source
# (src/config/transfer/file.rs). A test compares the lists with the program's.
{
  transfer = [
    "contract"
    "channel"
    "topic"
    "sink"
    "target"
    "source"
    "date_column"
    "time_zone"
    "scope"
    "key"
    "duplicates"
    "delete_missing"
    "before"
    "after"
    "lease_seconds"
  ];
  sources = {
    topic = [ "kind" ];
    files = [
      "kind"
      "files"
      "format"
      "delimiter"
      "compression"
      "optional"
    ];
    query = [
      "kind"
      "sql"
      "environment"
      "proxy"
      "instance"
    ];
  };
}
