# Converts a Nix value to JSON that people can read and compare: what fits into a line of 110 characters is
# on one line.
let
  inherit (builtins)
    attrNames
    concatStringsSep
    isAttrs
    isList
    map
    stringLength
    toJSON
    ;

  render =
    indent: value:
    let
      deeper = "${indent}  ";
      flat = toJSON value;
      lines =
        open: close: items:
        "${open}\n${deeper}${concatStringsSep ",\n${deeper}" items}\n${indent}${close}";
    in
    if stringLength indent + stringLength flat <= 110 then
      flat
    else if isAttrs value then
      lines "{" "}" (map (name: "${toJSON name}: ${render deeper value.${name}}") (attrNames value))
    else if isList value then
      lines "[" "]" (map (render deeper) value)
    else
      flat;
in
value: render "" value + "\n"
