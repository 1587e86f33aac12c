# Whether a text is a schedule as Kubernetes' CronJobs take it: five fields, or one of the names.
let
  inherit (builtins)
    all
    elem
    elemAt
    filter
    fromJSON
    genList
    head
    isString
    length
    match
    split
    ;
  text = import ../text.nix;

  field = lowest: highest: names: {
    inherit lowest highest;
    pattern = if names == "" then "[0-9]{1,2}" else "[0-9]{1,2}|${names}";
  };
  fields = [
    (field 0 59 "")
    (field 0 23 "")
    (field 1 31 "")
    (field 1 12 "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC")
    (field 0 6 "SUN|MON|TUE|WED|THU|FRI|SAT")
  ];
  names = [
    "@hourly"
    "@daily"
    "@midnight"
    "@weekly"
    "@monthly"
    "@yearly"
    "@annually"
  ];

  # Without a leading zero, which JSON does not have; null for a name.
  number =
    value:
    let
      digits = match "0?([0-9]+)" value;
    in
    if digits == null then null else fromJSON (head digits);
  # `*`, `5`, `MON-FRI`, each perhaps in steps.
  one =
    {
      lowest,
      highest,
      pattern,
    }:
    value:
    let
      parts = match "([*?]|(${pattern})(-(${pattern}))?)(/([1-9][0-9]?))?" (text.toUpper value);
      from = number (elemAt parts 1);
      to = number (elemAt parts 3);
      inside = n: n == null || n >= lowest && n <= highest;
    in
    parts != null
    && (elemAt parts 1 == null || inside from)
    && (elemAt parts 3 == null || inside to && (from == null || to == null || from <= to));
  isField = kind: value: all (one kind) (filter isString (split "," value));
in
value:
isString value
&& (
  elem value names
  || (
    let
      found = filter isString (split " +" value);
    in
    text.isLine 200 value
    && length found == length fields
    && all (index: isField (elemAt fields index) (elemAt found index)) (
      genList (index: index) (length fields)
    )
  )
)
