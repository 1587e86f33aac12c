# Reads the TOML of a transfer, in a smaller language than the program's: comments, tables, and keys
# with a text, a whole number, true, false or a list of texts on one line. What this file accepts the
# program reads alike. `fromTOML` ends the whole evaluation at the first mistake, without the name of the
# file; here a mistake is a fault: { value, faults }, where each fault is { line, fault }.
let
  inherit (builtins)
    concatStringsSep
    elemAt
    filter
    foldl'
    fromTOML
    genList
    head
    isString
    length
    match
    replaceStrings
    split
    stringLength
    substring
    tail
    ;
  text = import ./text.nix;

  blank = "[ \t]*";
  comment = "(#.*)?";
  bare = "[A-Za-z0-9_-]+";
  # In double quotes with the escapes \" \\ \n \t, or in single quotes, where nothing is an escape.
  quoted = "\"([^\"\\\\]|\\\\[\"\\\\nt])*\"|'[^']*'";
  plain = "${quoted}|true|false|-?(0|[1-9][0-9]{0,14})";
  list = "[[]${blank}((${quoted})${blank}(,${blank}(${quoted})${blank})*(,${blank})?)?[]]";
  header = "${blank}[[](${bare}([.]${bare})*)[]]${blank}${comment}";
  assignment = "${blank}(${bare})${blank}=${blank}(.*)";
  value = "(${plain}|${list})${blank}${comment}";

  longest = 2000;

  # A table, a key with its value, nothing, or a fault.
  line =
    given:
    let
      control = text.has "[[:cntrl:]]" (replaceStrings [ "\t" ] [ "" ] given);
      table = match header given;
      key = match assignment given;
      found = match value (elemAt key 1);
    in
    if stringLength given > longest then
      { fault = "more than ${toString longest} bytes: shorten it"; }
    else if control then
      { fault = "a control character: remove it"; }
    else if match "${blank}${comment}" given != null then
      null
    else if table != null then
      { table = head table; }
    else if key == null then
      { fault = "neither a comment, nor a table, nor a key: write [table] or key = \"value\""; }
    else if found == null then
      {
        fault = "a value that is none of these: write a text in quotes on one line, a whole number, true, false, or a list of texts on one line";
      }
    else
      {
        key = head key;
        inherit (fromTOML "value = ${head found}") value;
      };

  parts = path: filter isString (split "[.]" path);
  # a.b.c -> [ "a" "a.b" ]
  parents =
    path:
    let
      all = parts path;
    in
    genList (n: concatStringsSep "." (genList (elemAt all) (n + 1))) (length all - 1);

  set =
    path: value: into:
    if path == [ ] then
      value
    else
      into // { ${head path} = set (tail path) value (into.${head path} or { }); };

  # `names` is what each path is: a `key`, a `table` of its own, or the `parent` of one.
  step =
    state:
    { number, found }:
    let
      path = if found ? table then found.table else "${state.prefix}${found.key}";
      is = path: state.names.${path} or null;
      fault =
        fault:
        state
        // {
          faults = state.faults ++ [
            {
              inherit fault;
              line = number;
            }
          ];
        };
      isKey = path: is path == "key";
    in
    if found ? fault then
      fault found.fault
    else if found ? table && (is path == "table" || builtins.any isKey (parents path ++ [ path ])) then
      fault "the table [${path}], which is there already: keep one of the two"
    else if found ? key && is path != null then
      fault "the key `${found.key}`, which is there already: keep one of the two"
    else if found ? table then
      state
      // {
        prefix = "${path}.";
        names =
          state.names
          // builtins.listToAttrs (
            map (name: {
              inherit name;
              value = if is name == null then "parent" else is name;
            }) (parents path)
          )
          // {
            ${path} = "table";
          };
        value = if is path == null then set (parts path) { } state.value else state.value;
      }
    else
      state
      // {
        names = state.names // {
          ${path} = "key";
        };
        value = set (parts path) found.value state.value;
      };
in
content:
let
  lines = filter isString (split "\n" content);
  withoutReturn =
    raw:
    let
      size = stringLength raw - 1;
    in
    if size >= 0 && substring size 1 raw == "\r" then substring 0 size raw else raw;
  numbered = filter ({ found, ... }: found != null) (
    genList (index: {
      number = index + 1;
      found = line (withoutReturn (elemAt lines index));
    }) (length lines)
  );
  read = foldl' step {
    prefix = "";
    names = { };
    value = { };
    faults = [ ];
  } numbered;
in
{
  inherit (read) value faults;
}
