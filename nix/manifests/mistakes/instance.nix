# Validates an instance's file: the mistakes, each a sentence. Which keys it may set is decided here;
# the program judges their values (`generic-consumer config`), except those that other instances
# depend on. No sentence contains a value.
{ identity }:
let
  inherit (builtins)
    attrValues
    concatMap
    elemAt
    genList
    groupBy
    head
    length
    map
    match
    stringLength
    ;
  text = import ../text.nix;
  shape = import ./shape.nix;
  refusal = import ./domain-key.nix;
  inherit (shape) when;
in
at: c: i:
let
  file = "${at}/instances/${text.showName i.file}";
  named = match "[a-z][a-z0-9]*(-[a-z0-9]+)*[.]env" i.file != null && stringLength i.name <= 40;

  wrong =
    base: test: accepted:
    concatMap
      (name: when (i.keys ? ${name} && !(test i.keys.${name})) "${file}: ${name} is not ${accepted}.")
      [
        base
        "${base}_${i.domain}"
      ];
  project = identity.projectOf c i;

  # What is said about single lines. A file that is no .env at all would have thousands.
  lines =
    map (found: "${file}:${toString found.line} has ${found.fault}.") i.faults
    ++ concatMap (
      found:
      let
        why = refusal i.domain found.name;
      in
      when (why != null) "${file}:${toString found.line} sets ${found.name}, ${toString why}"
    ) i.assignments
    ++ concatMap (
      same:
      when (
        length same > 1
      ) "${file} sets ${(head same).name} in ${toString (length same)} lines: keep one of them."
    ) (attrValues (groupBy (found: found.name) i.assignments));
  most = 100;
  content =
    (
      if length lines > most then
        genList (elemAt lines) most
        ++ [ "${file} has ${toString (length lines - most)} more mistakes of this kind: correct it." ]
      else
        lines
    )
    ++
      wrong "BQ_TABLE" identity.isTable
        "a table: write `table`, `dataset.table` or `project.dataset.table`"
    ++ wrong "PG_TABLE" identity.isPostgresTable "a table: write `table` or `schema.table`"
    ++
      wrong "GROUP_ID" identity.isGroup
        "a consumer group: write letters, digits and punctuation, without spaces"
    ++
      wrong "CONSUME_ENV" identity.isEnvironment
        "the name of an environment: write one of config/environments.toml"
    ++
      when (project != null && project != identity.writes c "project")
        "${file}: BQ_TABLE names the project `${toString project}`, but ${c.name} writes to `${toString (identity.writes c "project")}`: leave the project out, or correct it."
    ++ when (text.hasSecret i.text) "${file} contains a private key, or a URL with a user or password: delete it, and replace the secret if it was ever committed; secretEnv in cluster.nix names a Secret.";
in
# The name becomes part of the Deployment's name: generic-consumer-<name>.
when (!named)
  "${file}: name the file <domain>.env, in lower case with hyphens between words and at most 40 characters: delivery-events.env is the domain DELIVERY_EVENTS."
++
  when (i.name == "shared")
    "${file}: the name `shared` is taken by the objects that a cluster's instances share: rename the domain."
++ when (text.hasPrefix "transfer-" i.name) "${file}: names that begin with `transfer-` are taken by transfers: rename the domain."
++ (
  if !i.plain then
    [
      "${file} is a symbolic link or no file: replace it by a plain file with the domain's keys."
    ]
  else if i.tooLarge then
    [
      "${file} has ${toString (stringLength i.text)} bytes, and a ConfigMap takes 1 MiB: shorten it."
    ]
  else if !(text.isUtf8 i.text) then
    [ "${file} is not UTF-8: save it as UTF-8." ]
  else if text.contains text.byteOrderMark i.text then
    [ "${file} contains a byte order mark: save it as UTF-8 without one." ]
  else if named then
    content
  else
    [ ]
)
