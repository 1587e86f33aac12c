# The files of this repository that a transfer names, as its pods get them: its contract with the
# documents that this refers to, and its SQL. Returns { files, faults }, where `files` is path -> text,
# with paths from the repository's root. Reading does not fail.
{ root }:
let
  inherit (builtins)
    attrNames
    concatMap
    dirOf
    filter
    foldl'
    genericClosure
    groupBy
    head
    isAttrs
    isList
    isString
    length
    listToAttrs
    map
    pathExists
    readDir
    readFile
    replaceStrings
    split
    tail
    ;
  text = import ./text.nix;

  parts = path: filter (part: part != "") (filter isString (split "/" path));
  join = builtins.concatStringsSep "/";

  # What is at a path: null, or the type of the file. No link on the way is followed.
  kindAt =
    at: path:
    let
      entries = if pathExists at then readDir at else { };
      kind = entries.${head path} or null;
    in
    if tail path == [ ] || kind == null || kind == "symlink" then
      kind
    else if kind == "directory" then
      kindAt (at + "/${head path}") (tail path)
    else
      null;
  kindOf = path: kindAt root (parts path);
  isPath = text.matches "[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*";
  shown = path: if isPath path then path else text.show path;
  fault = path: why: {
    inherit path;
    fault = why;
  };
  file =
    path: otherwise:
    let
      kind = if isPath path then kindOf path else null;
    in
    if kind == null then
      fault path otherwise
    else if kind != "regular" then
      fault path "${path} is no plain file: replace it by one."
    else if !(text.isUtf8 (readFile (root + "/${path}"))) then
      fault path "${path} is not UTF-8: save it as UTF-8."
    else
      { inherit path; };

  # contracts.orders.orders_v1 -> contracts/orders/orders_v1.yaml
  contract =
    value:
    let
      folder = "contracts.";
      dotted = if text.hasPrefix folder value then value else "${folder}${value}";
      stem = replaceStrings [ "." ] [ "/" ] dotted;
      endings = [
        "yaml"
        "yml"
        "json"
      ];
      found = filter (path: kindOf path != null) (map (ending: "${stem}.${ending}") endings);
    in
    if !(isPath stem) || found == [ ] then
      fault stem "there is no ${shown stem}.yaml, .yml or .json in this repository: correct the name, or add the document."
    else
      file (head found) "";

  # Where a reference from a document leads; null if that is not among the contracts.
  resolve =
    from: reference:
    let
      walked = foldl' (
        walked: part:
        if walked == null || part == "." then
          walked
        else if part != ".." then
          walked ++ [ part ]
        else if walked == [ ] then
          null
        else
          builtins.genList (builtins.elemAt walked) (length walked - 1)
      ) (parts (dirOf from)) (parts reference);
    in
    if walked != null && walked != [ ] && head walked == "contracts" then join walked else null;
  # `$ref: other.yaml#/x`, with or without quotes; references within the document begin with `#`.
  references =
    content:
    map head (filter isList (split "[$]ref[\"']?[ \t]*:[ \t]*[\"']?([^]\"'#[:space:],{}]+)" content));
  referred =
    path:
    map (
      reference:
      let
        found = resolve path reference;
      in
      if found == null then
        fault reference "${path} refers to ${text.show reference}, which is not among the contracts: correct it."
      else
        file found "${path} refers to ${shown found}, which is not there: correct it."
    ) (attrNames (groupBy (name: name) (references (readFile (root + "/${path}")))));

  closure =
    first:
    genericClosure {
      startSet = [ (first // { key = first.path; }) ];
      operator =
        found:
        if found ? fault then [ ] else map (next: next // { key = next.path; }) (referred found.path);
    };

  isText = value: isString value && text.isLine 4096 value;
in
transfer:
let
  table = if isAttrs transfer then transfer else { };
  source = if isAttrs (table.source or null) then table.source else { };
  sql =
    name: value:
    if !(isText value) then
      [ ]
    else if text.matches "transfers/.*[.]sql" value then
      [
        (file value "${name} names ${text.show value}, which is not in this repository: correct it, or add the file.")
      ]
    else
      [
        (fault value "${name} = ${text.show value} is no SQL of a cluster's transfer: put the statement into transfers/<name>.sql, from the repository's root.")
      ];
  found =
    (if isText (table.contract or null) then closure (contract table.contract) else [ ])
    ++ concatMap ({ name, value }: sql name value) [
      {
        name = "before";
        value = table.before or null;
      }
      {
        name = "after";
        value = table.after or null;
      }
      {
        name = "source.sql";
        value = source.sql or null;
      }
    ];
  present = filter (one: !(one ? fault)) found;
in
{
  faults = map (one: one.fault) (filter (one: one ? fault) found);
  files = listToAttrs (
    map (one: {
      name = one.path;
      value = readFile (root + "/${one.path}");
    }) present
  );
}
