# Validates a transfer's file: the mistakes, each a sentence. It says which table is run when, and how;
# where a cluster reads and writes, with which credentials, is the cluster's. The program judges more of
# the values when it starts.
{ identity }:
let
  inherit (builtins)
    attrNames
    concatMap
    elem
    filter
    foldl'
    genList
    elemAt
    isAttrs
    isBool
    isInt
    isList
    isString
    length
    map
    match
    stringLength
    ;
  text = import ../text.nix;
  shape = import ./shape.nix;
  resources = import ./resources.nix;
  refusal = import ./domain-key.nix;
  isSchedule = import ./cron.nix;
  keys = import ../transfer-keys.nix;
  inherit (shape)
    is
    list
    under
    when
    ;

  line = is (text.isLine 1000) "a text on one line" "write the value between quotes";
  flag = is isBool "true or false" "write it without quotes";
  number =
    least: most:
    is (
      value: isInt value && value >= least && value <= most
    ) "a whole number from ${toString least} to ${toString most}" "write it without quotes";
  choice =
    values:
    is (value: elem value values) "one of ${
      list (map (value: "\"${value}\"") values)
    }" "write one of them";
  # One text, or a list of them.
  texts =
    at: value:
    if isList value then
      when (value == [ ]) "${at} has nothing: write [ \"<name>\" ]." ++ concatMap (line at) value
    else
      line at value;

  octet = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
  isZone = value: value != "Local" && text.matches "[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*" value;
  zone = is isZone "a time zone" "write \"Europe/Berlin\" or \"UTC\"";

  schedule = shape.fields {
    needed = [ "cron" ];
    lacking = "set it (docs/reference/transfer.md, On Kubernetes).";
    checks = {
      cron =
        is isSchedule "a schedule"
          "write minute, hour, day of month, month and day of week: \"30 3 * * *\"";
      time_zone = zone;
      suspend = flag;
      starting_deadline_seconds = number 10 604800;
    };
  };
  job = shape.fields {
    checks = {
      backoff_limit = number 0 20;
      active_deadline_seconds = number 60 604800;
      successful_jobs_history_limit = number 0 100;
      failed_jobs_history_limit = number 1 100;
      ttl_seconds_after_finished = number 0 31536000;
    };
  };
  sqlProxy =
    c: t: at: value:
    shape.fields {
      needed = [
        "instance"
        "address"
      ];
      lacking = "set it (docs/reference/transfer.md, On Kubernetes).";
      checks = {
        instance =
          is (text.matches "[a-z][a-z0-9.:-]*:[a-z]+-[a-z]+[0-9]+:[a-z][a-z0-9-]*") "an instance of Cloud SQL"
            "write \"<project>:<region>:<name>\", as `gcloud sql instances describe` prints connectionName";
        address =
          is (text.matches "${octet}([.]${octet}){3}") "an IPv4 address"
            "write the private address of the instance, which the network policy opens";
        port = number 1024 65535;
        iam_login = flag;
      };
    } at value
    ++ when (
      !(isAttrs c.spec && c.spec ? sqlProxy)
    ) "${at} needs the image of the proxy: set sqlProxy in nix/clusters/${c.name}/cluster.nix."
    ++
      when (kindOf t != "query")
        "${at} is for a source of the kind \"query\", and this one is ${text.show (kindOf t)}: remove it.";

  sourceOf = t: if isAttrs t.table && isAttrs (t.table.source or null) then t.table.source else { };
  kindOf = t: (sourceOf t).kind or null;

  isObject = text.matches "(gs|s3)://[a-z0-9._-]+/[^ ]+";
  files =
    at: value:
    let
      given = if isList value then value else [ value ];
    in
    texts at value
    ++ concatMap (
      file:
      when (isString file && text.isLine 1000 file && !(isObject file))
        "${at} has ${text.show file}, and a pod has no files of its own: write gs://bucket/object or s3://bucket/object."
    ) given;
  sourceChecks = {
    inherit files;
    kind = choice (attrNames keys.sources);
    format = choice [
      "ndjson"
      "csv"
      "parquet"
    ];
    delimiter = choice [
      ","
      ";"
      "|"
      "tab"
    ];
    compression = choice [
      "none"
      "gzip"
      "zstd"
    ];
    optional = flag;
    sql = line;
    environment =
      is (text.matches "[A-Za-z0-9_]+") "the name of an environment"
        "write the one of [write.<env>.postgres]";
    proxy = at: _: [
      "${at} is set by [sql_proxy], which runs the proxy beside the program: remove it, and write [sql_proxy] with `instance` and `address`."
    ];
  };
  source =
    at: value:
    let
      kind = if isAttrs value then value.kind or null else null;
      known = keys.sources.${if isString kind then kind else ""} or null;
      only =
        names:
        builtins.listToAttrs (
          map (name: {
            inherit name;
            value = sourceChecks.${name} or line;
          }) names
        );
    in
    if !(isAttrs value) || known == null then
      shape.fields {
        needed = [ "kind" ];
        lacking = "set it to one of ${list (attrNames keys.sources)}.";
        checks = sourceChecks;
      } at value
    else
      shape.fields {
        needed = filter (name: elem name known) [
          "files"
          "format"
          "sql"
        ];
        lacking = "set it (docs/reference/transfer.md).";
        checks = only known;
      } at value;

  tableChecks = {
    inherit source;
    contract =
      is (text.matches "[A-Za-z0-9_.-]+") "the path of a contract"
        "write contracts.<folder>.<document>";
    sink = choice [
      "bigquery"
      "postgres"
    ];
    time_zone = zone;
    scope = choice [
      "day"
      "table"
    ];
    key = texts;
    duplicates = choice [
      "refuse"
      "last"
    ];
    delete_missing = flag;
    lease_seconds = number 2 3600;
  };
  # In another project the cluster's account has nothing to write.
  target =
    c: at: value:
    let
      parts = match "([A-Za-z0-9.:-]+)[.][A-Za-z0-9_]+[.][A-Za-z0-9_-]+" value;
      project = if parts == null then null else builtins.head parts;
      writes = identity.writes c "project";
    in
    is (
      value: identity.isTable value || identity.isPostgresTable value
    ) "a table" "write `table`, `dataset.table` or `project.dataset.table`" at value
    ++
      when (text.isLine 1000 value && project != null && project != writes)
        "${at} names the project `${toString project}`, but ${c.name} writes to `${toString writes}`: leave the project out, or correct it.";
  table =
    c:
    shape.fields {
      needed = [
        "contract"
        "channel"
        "target"
        "source"
      ];
      lacking = "set it (docs/reference/transfer.md).";
      checks = builtins.listToAttrs (
        map (name: {
          inherit name;
          value = if name == "target" then target c else tableChecks.${name} or line;
        }) keys.transfer
      );
    };
  transfers =
    c: t: at: value:
    let
      others = filter (name: name != t.name) (attrNames value);
    in
    if !(isAttrs value) then
      [ "${at} is ${text.typeName value}, not a table: write [transfer.${t.name}]." ]
    else
      when (
        !(value ? ${t.name})
      ) "${at} lacks `${t.name}`: write [transfer.${t.name}], as the file is named."
      ++ concatMap (name: [
        "${under at name}: a file has one transfer, which is named like the file: write [transfer.${t.name}], or move it to ${text.showName name}.toml."
      ]) others
      ++ (if value ? ${t.name} then table c (under at t.name) value.${t.name} else [ ]);

  domain =
    t: at: value:
    if !(isAttrs value) then
      [ "${at} is ${text.typeName value}, not a table: write [domain]." ]
    else
      concatMap (
        name:
        let
          why = refusal t.domain name;
        in
        if why != null then
          [ "${at} sets ${name}, ${why}" ]
        else
          is (
            value: isInt value || isBool value || text.isLine 1000 value
          ) "a text, a number, true or false" "write it on one line" (under at name) value.${name}
      ) (attrNames value);

  isShare = text.matches "[0-9]{1,15}|(100|[0-9]{1,2})([.][0-9]{1,6})?%";
  settings =
    c: t:
    shape.fields {
      needed = [
        "mode"
        "schedule"
        "transfer"
      ];
      lacking = "set it (docs/reference/transfer.md, On Kubernetes).";
      checks = {
        inherit job resources schedule;
        mode = choice [
          "truncate"
          "delta"
        ];
        date = choice [
          "yesterday"
          "today"
        ];
        delta_days =
          at: value:
          number 1 1825 at value
          ++ when (
            t.value.mode or null == "truncate"
          ) "${at} is for mode \"delta\": mode \"truncate\" replaces one day.";
        max_rejected = is (
          value: isInt value && value >= 0 || isShare value
        ) "a number of records, or a percentage" "write 25 or \"0.5%\"";
        transfer = transfers c t;
        domain = domain t;
        sql_proxy = sqlProxy c t;
      };
    };
in
at: c: t:
let
  file = "${at}/transfers/${text.showName t.file}";
  named = match "[a-z][a-z0-9]*(-[a-z0-9]+)*[.]toml" t.file != null && stringLength t.name <= 40;
  # Of all files in its ConfigMap.
  bytes = foldl' (sum: path: sum + stringLength t.files.${path}) (stringLength t.text) (
    attrNames t.files
  );
  faults = map (found: "${file}:${toString found.line} has ${found.fault}.") t.faults;
  most = 100;
in
# The CronJob is named transfer-<name>, and may have 52 characters, because those of its Jobs have 11 more.
when (!named)
  "${file}: name the file <transfer>.toml, in lower case with hyphens between words and at most 40 characters: daily-orders.toml is [transfer.daily-orders]."
++ (
  if !t.plain then
    [ "${file} is a symbolic link or no file: replace it by a plain file." ]
  else if t.tooLarge then
    [ "${file} has ${toString (stringLength t.text)} bytes; the most that is read are 65536." ]
  else if !t.isText then
    [ "${file} is not UTF-8: save it as UTF-8." ]
  else if faults != [ ] then
    if length faults > most then
      genList (elemAt faults) most
      ++ [ "${file} has ${toString (length faults - most)} more mistakes of this kind: correct it." ]
    else
      faults
  else if named then
    settings c t file t.value
    ++ map (sentence: "${file}: ${sentence}") t.missing
    ++ when (text.contains "\${" t.text) "${file} has a variable, \${…}, which the program would replace by a value of its pod: write the value itself."
    ++ when (text.hasSecret t.text) "${file} contains a private key, or a URL with a user or password: delete it, and replace the secret if it was ever committed; secretEnv in cluster.nix names a Secret."
  else
    [ ]
)
