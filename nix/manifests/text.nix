# Texts from the data: which bytes they consist of, whether they look like a secret, and how a value
# is shown in a sentence. Nix's regular expressions recurse for each byte, so `match` is used on short
# texts only; `split` with a pattern of a few bytes is safe for any length.
let
  inherit (builtins)
    any
    concatStringsSep
    filter
    fromJSON
    head
    isList
    isString
    length
    match
    replaceStrings
    split
    stringLength
    substring
    toJSON
    typeOf
    ;

  characters = text: map head (filter isList (split "(.)" text));
  lower = characters "abcdefghijklmnopqrstuvwxyz";
  upper = characters "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

  # Nix has no escapes for single bytes, but JSON names characters, and `substring` counts bytes.
  character = code: fromJSON ''"${code}"'';
  lead = code: substring 0 1 (character code);
  last = code: substring 1 1 (character code);
  range = from: to: "[${from}-${to}]";
  continuation = range (last "\\u0080") (last "\\u00bf");
  # The sequences of bytes that encode the characters beyond ASCII: Unicode's table 3-7.
  sequences = concatStringsSep "|" [
    (range (lead "\\u0080") (lead "\\u07c0") + continuation)
    (lead "\\u0800" + range (last "\\u00a0") (last "\\u00bf") + continuation)
    (range (lead "\\u1000") (lead "\\ucfff") + continuation + continuation)
    (lead "\\ud000" + range (last "\\u0080") (last "\\u009f") + continuation)
    (range (lead "\\ue000") (lead "\\uf000") + continuation + continuation)
    (lead "\\ud800\\udc00" + range (last "\\u0090") (last "\\u00bf") + continuation + continuation)
    (range (lead "\\ud8c0\\udc00") (lead "\\udac0\\udc00") + continuation + continuation + continuation)
    (lead "\\udbc0\\udc00" + range (last "\\u0080") (last "\\u008f") + continuation + continuation)
  ];
  beyondAscii = "[^${character "\\u0001"}-${character "\\u007f"}]";

  # Whether a pattern of a few bytes occurs in a text.
  has = pattern: text: length (split pattern text) > 1;
  contains = part: text: replaceStrings [ part ] [ "" ] text != text;
  toLower = replaceStrings upper lower;

  isUtf8 =
    text:
    !(has beyondAscii text)
    || !(has beyondAscii (concatStringsSep "" (filter isString (split "(${sequences})" text))));
  # Whether a value is a text on one line, with 1 to `longest` bytes.
  isLine =
    longest: value:
    isString value
    && value != ""
    && stringLength value <= longest
    && !(has "[[:cntrl:]]" value)
    && isUtf8 value;
in
rec {
  inherit
    character
    contains
    has
    isLine
    isUtf8
    toLower
    ;
  toUpper = replaceStrings lower upper;
  hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
  byteOrderMark = character "\\ufeff";

  # Whether a value is a text of at most 4,096 bytes that the pattern describes.
  matches = pattern: value: isLine 4096 value && match pattern value != null;

  # Whether the program would not print the value of an environment's key with this name: `is_secret`
  # in src/config/mistake.rs.
  isSecretName =
    name:
    any (word: contains word (replaceStrings [ "_" ] [ "." ] (toLower name))) [
      "password"
      "passwd"
      "secret"
      "key"
      "token"
      "sasl.oauthbearer.config"
      "sasl.jaas"
    ];
  # Whether a text contains a private key, or a URL with a user or password.
  hasSecret =
    text:
    let
      small = toLower text;
      urls = builtins.tail (filter isString (split "://" text));
      # The part of a URL before its path.
      authority = url: head (split "[/?#[:space:]]" url);
    in
    contains "-----begin" small
    || contains "private_key" small
    || any (url: contains "@" (authority url)) urls;

  # The type of a value, for sentences.
  typeName =
    value:
    {
      null = "null";
      bool = "a boolean";
      int = "a number";
      float = "a number";
      string = "a text";
      list = "a list";
      set = "a map";
      lambda = "a function";
      path = "a path";
    }
    .${typeOf value};
  # A value in a sentence, on one line.
  show =
    value:
    if builtins.isBool value || builtins.isInt value then
      toJSON value
    else if !(isString value) then
      typeName value
    else if !(isUtf8 value) then
      "a text that is not UTF-8"
    else if stringLength value > 100 then
      "a text of ${toString (stringLength value)} bytes"
    else if hasSecret value then
      "a text that seems to be a secret"
    else
      toJSON value;
  # The name of a field or file in a sentence: as it is, if it is an ordinary one.
  showName = name: if matches "[A-Za-z0-9._-]+" name then name else show name;
}
