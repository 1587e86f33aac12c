# Reads the keys of a `.env` file: one key per line, quotes removed. The program's own parser is
# stricter; a check of the flake runs it on every file (`generic-consumer config`).
let
  inherit (builtins)
    filter
    head
    isList
    listToAttrs
    match
    split
    ;
  pair = match "[[:space:]]*(export[[:space:]]+)?([A-Za-z_][A-Za-z0-9_]*)[[:space:]]*=[[:space:]]*(.*)";
  # 'x' and "x" become x; a comment after an unquoted value is dropped.
  unquote =
    text:
    let
      single = match "'([^']*)'.*" text;
      double = match ''"([^"]*)".*'' text;
      bare = match "([^[:space:]]*).*" text;
    in
    head (
      if single != null then
        single
      else if double != null then
        double
      else
        bare
    );
in
text:
listToAttrs (
  map (found: {
    name = builtins.elemAt found 1;
    value = unquote (builtins.elemAt found 2);
  }) (filter isList (map pair (filter builtins.isString (split "\r?\n" text))))
)
