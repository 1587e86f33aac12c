# Which table an instance writes and which consumer group it reads with, in one spelling for all
# instances, as the program would find them: `{ group, table, project }`. Each is null where the
# values are missing or wrong, about which the program or other checks say something.
{ environments }:
let
  inherit (builtins)
    elemAt
    isAttrs
    isString
    match
    ;
  text = import ../text.nix;

  # The variables of the cluster's pods.
  variables =
    c: name:
    let
      env = c.spec.env or null;
      value = env.${name} or null;
    in
    if isAttrs env && isString value then value else null;
  first = one: other: if one != null then one else other;
  # The domain's own value wins over the default of all domains, then a variable over the file.
  valueOf =
    c: i: base:
    let
      own = "${base}_${i.domain}";
      inFile = name: i.keys.${name} or null;
    in
    first (variables c own) (first (inFile own) (first (variables c base) (inFile base)));

  # The table's parts; the program splits from the end, because a project may contain dots.
  full = "(([A-Za-z0-9.:-]+)[.])?([A-Za-z0-9_]+)[.]([A-Za-z0-9_-]+)";
  alone = "[A-Za-z0-9_-]+";
  inPostgres = "(([A-Za-z_][A-Za-z0-9_]*)[.])?([A-Za-z_][A-Za-z0-9_]*)";
in
rec {
  isTable = value: text.matches full value || text.matches alone value;
  isPostgresTable = text.matches inPostgres;
  isGroup = text.matches "[!-~]+";
  isEnvironment = text.matches "[A-Za-z0-9_]+";

  # The project and the dataset where the cluster writes.
  writes =
    c: field:
    first (variables c "WRITE__${text.toUpper c.env}__${text.toUpper field}") (
      environments.write.${c.env}.${field} or null
    );

  # The key that names the table, which depends on the sink.
  tableKey =
    c: i:
    {
      postgres = "PG_TABLE";
      influxdb = "INFLUX_MEASUREMENT";
      kafka = "OUT_TOPIC";
    }
    .${toString (valueOf c i "SINK")} or "BQ_TABLE";

  # The project that the table's name contains, if it does.
  projectOf =
    c: i:
    let
      name = valueOf c i "BQ_TABLE";
    in
    if text.matches full name then elemAt (match full name) 1 else null;

  table =
    c: i:
    let
      name = valueOf c i (tableKey c i);
      parts = match full name;
      project = first (elemAt parts 1) (writes c "project");
      postgres = match inPostgres name;
      schema = first (elemAt postgres 1) "public";
    in
    # Points of different domains do not overwrite each other, even in one measurement; nor do messages
    # in one topic.
    if
      builtins.elem (tableKey c i) [
        "INFLUX_MEASUREMENT"
        "OUT_TOPIC"
      ]
    then
      null
    else if tableKey c i == "PG_TABLE" then
      if isPostgresTable name then "${schema}.${elemAt postgres 2} of PostgreSQL in ${c.env}" else null
    else if text.matches full name then
      "${toString project}.${elemAt parts 2}.${elemAt parts 3}"
    else if text.matches alone name then
      "${toString (writes c "project")}.${toString (writes c "dataset")}.${name}"
    else
      null;

  # A group is one of the brokers that it reads from.
  group =
    c: i:
    let
      name = valueOf c i "GROUP_ID";
      environment = valueOf c i "CONSUME_ENV";
    in
    if isGroup name && isEnvironment environment then
      {
        inherit name;
        id = "${text.toLower environment} ${name}";
      }
    else
      null;
}
