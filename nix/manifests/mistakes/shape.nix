# Checks of values of any type. A check is a function `at: value: [ sentence ]`, where `at` says in
# which file and under which name the value stands. It never fails.
let
  inherit (builtins)
    attrNames
    concatMap
    concatStringsSep
    elem
    filter
    isAttrs
    isList
    isString
    match
    ;
  text = import ../text.nix;
  inherit (text) show showName;
  list = concatStringsSep ", ";
  isFile = at: match ".*[.](nix|json|toml)" at != null;
in
rec {
  inherit list;
  when = condition: sentence: if condition then [ sentence ] else [ ];

  # The place of a field: `cluster.nix: hosts`, `cluster.nix: hosts.uat`.
  under = at: field: "${at}${if isFile at then ": " else "."}${showName field}";

  # A value that passes a test.
  is =
    test: what: advice: at: value:
    when (!(test value)) (
      if isString value then
        "${at} = ${show value} is not ${what}: ${advice}."
      else
        "${at} is ${text.typeName value}, not ${what}: ${advice}."
    );
  # The same for values that may be secrets: the sentence does not contain them.
  isUnseen =
    test: what: advice: at: value:
    when (!(test value)) "${at} is not ${what}: ${advice}.";

  # A list; `of` judges each of its values, at the place of the list.
  items =
    { of, example }:
    at: value:
    if isList value then
      concatMap (of at) value
    else
      [ "${at} is ${text.typeName value}, not a list: write ${example}." ];

  map =
    { of, example }:
    at: value:
    if isAttrs value then
      concatMap (field: of field (under at field) value.${field}) (attrNames value)
    else
      [ "${at} is ${text.typeName value}, not a map: write ${example}." ];

  # A map of which the names of the fields are known; `needed` are those that have to be there.
  fields =
    {
      needed ? [ ],
      checks,
      lacking ? "set it (docs/delivery.md, cluster.nix).",
    }:
    at: value:
    if isAttrs value then
      builtins.map (field: "${at} lacks `${field}`: ${lacking}") (
        filter (field: !(value ? ${field})) needed
      )
      ++ concatMap (
        field:
        if elem field (attrNames checks) then
          checks.${field} (under at field) value.${field}
        else
          [
            "${at} has the unknown key `${showName field}`: the keys are ${list (attrNames checks)}."
          ]
      ) (attrNames value)
    else
      [
        "${at} is ${text.typeName value}, not a map: write { … } with ${list (attrNames checks)}."
      ];
}
