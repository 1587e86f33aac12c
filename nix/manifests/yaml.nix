# Converts a Nix value to block YAML, with builtins only. Identifying keys come first, the others are
# sorted; strings are quoted where a YAML 1.1 or 1.2 parser could read them as another type.
let
  inherit (builtins)
    attrNames
    concatStringsSep
    elem
    filter
    isAttrs
    isList
    isString
    length
    match
    split
    stringLength
    substring
    toJSON
    ;

  # The keys that people look for first in a Kubernetes object.
  leading = [
    "apiVersion"
    "kind"
    "metadata"
    "name"
  ];
  keys = set: filter (key: set ? ${key}) leading ++ filter (key: !(elem key leading)) (attrNames set);

  # Words that some parser reads as a boolean or as null.
  words = "([Tt]rue|[Ff]alse|[Nn]ull|[Yy]es|[Nn]o|[Oo]n|[Oo]ff|[YyNn]|TRUE|FALSE|NULL|YES|NO|ON|OFF)";
  plain = text: match "[A-Za-z/_][A-Za-z0-9_./-]*" text != null && match words text == null;
  lines = text: filter isString (split "\n" text);
  endsInNewline = text: substring (stringLength text - 1) 1 text == "\n";

  block =
    indent: text:
    let
      body = if endsInNewline text then substring 0 (stringLength text - 1) text else text;
    in
    (if endsInNewline text then "|" else "|-")
    + "\n"
    + concatStringsSep "\n" (map (line: if line == "" then "" else indent + line) (lines body));

  scalar =
    indent: value:
    if !isString value then
      toJSON value
    else if length (lines value) > 1 then
      block indent value
    else if plain value then
      value
    else
      toJSON value;

  isScalar = value: !(isAttrs value && value != { }) && !(isList value && value != [ ]);
  key = text: if plain text then text else toJSON text;

  render =
    indent: value:
    if isScalar value then
      scalar indent value
    else if isList value then
      concatStringsSep "\n${indent}" (map (item: "- ${render "${indent}  " item}") value)
    else
      concatStringsSep "\n${indent}" (
        map (
          name:
          let
            item = value.${name};
            deeper = "${indent}  ";
          in
          if isScalar item then
            "${key name}: ${scalar deeper item}"
          # A list is indented like its key, as kustomize and kubectl print it.
          else if isList item then
            "${key name}:\n${indent}${render indent item}"
          else
            "${key name}:\n${deeper}${render deeper item}"
        ) (keys value)
      );
in
value: render "" value + "\n"
