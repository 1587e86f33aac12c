# The keys of a `.env` file, as far as evaluation looks at them: one key a line, quotes taken off.
# The program's own reader has the last word (`generic-consumer config`, a check of the flake).
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
  # 'x' and "x" are x; a comment behind a bare value is none of it.
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
