# Reads a JSON text without failing: { value }, or { fault } as a part of a sentence. `fromJSON`
# ends the whole evaluation at the first wrong character. Escapes with a number (\u0041) and exponents
# are faults, because release.json does not need them.
let
  inherit (builtins)
    attrValues
    concatStringsSep
    filter
    foldl'
    fromJSON
    isAttrs
    isList
    isString
    length
    replaceStrings
    split
    stringLength
    ;
  text = import ./text.nix;

  replace =
    pattern: by: given:
    concatStringsSep by (filter isString (split pattern given));
  # Outside of texts, where they are not allowed, the `x` is left over.
  withoutEscapes =
    replaceStrings
      [
        "\\\\"
        "\\\""
        "\\/"
        "\\b"
        "\\f"
        "\\n"
        "\\r"
        "\\t"
      ]
      [
        "x"
        "x"
        "x"
        "x"
        "x"
        "x"
        "x"
        "x"
      ];
  # A character that no text in the JSON contains.
  mark = text.character "\\u0001";
  plain = "[0${mark}]";
  field = "${mark}:${plain}";
  # Texts become the mark, other plain values become `0`. What is left are brackets, colons, commas.
  outline =
    given:
    replaceStrings [ " " "\t" "\n" "\r" ] [ "" "" "" "" ] (
      replace "true|false|null|-?(0|[1-9][0-9]{0,14})([.][0-9]{1,14})?" "0" (
        replace "\"[^\"[:cntrl:]]*\"" mark given
      )
    );
  # Makes the innermost lists and maps plain values.
  pass = replace "[[](${plain}(,${plain})*)?]|[{](${field}(,${field})*)?[}]" "0";
  passes = [
    pass
    pass
    pass
    pass
    pass
    pass
    pass
    pass
  ];
  isPlain = given: given == "0" || given == mark;

  sum = foldl' builtins.add 0;
  fields =
    value:
    if isAttrs value then
      length (attrValues value) + sum (map fields (attrValues value))
    else if isList value then
      sum (map fields value)
    else
      0;
in
given:
let
  plainText = withoutEscapes given;
  value = fromJSON given;
  # Of two fields with one name `fromJSON` keeps one.
  written = length (filter isList (split ":" (outline plainText)));
in
if stringLength given > 65536 then
  { fault = "has ${toString (stringLength given)} bytes; the most that is read are 65536"; }
else if !(text.isUtf8 given) then
  { fault = "is not UTF-8"; }
else if
  text.has "[[:cntrl:]]" (replaceStrings [ "\t" "\n" "\r" ] [ "" "" "" ] given)
  || text.has "\\\\" plainText
then
  { fault = "has control characters or unusual escapes"; }
else if !(isPlain (foldl' (rest: step: step rest) (outline plainText) passes)) then
  { fault = "is not JSON"; }
else if fields value != written then
  { fault = "names a field twice"; }
else
  { inherit value; }
