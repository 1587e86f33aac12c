# Kubernetes' quantities of CPU and memory, as numbers that can be compared; null if a value is none.
let
  inherit (builtins)
    elemAt
    fromJSON
    head
    isInt
    match
    ;
  text = import ../text.nix;
  thousand = 1000.0;
  kibi = 1024.0;
  factors = {
    k = thousand;
    M = thousand * thousand;
    G = thousand * thousand * thousand;
    T = thousand * thousand * thousand * thousand;
    Ki = kibi;
    Mi = kibi * kibi;
    Gi = kibi * kibi * kibi;
    Ti = kibi * kibi * kibi * kibi;
  };
  # The form that people write; Kubernetes also knows exponents and larger units.
  form = "((0|[1-9][0-9]{0,14})([.][0-9]{1,3})?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?";
in
value:
if isInt value then
  value * 1.0
else if !(text.matches form value) then
  null
else
  let
    parts = match form value;
    number = fromJSON (head parts);
    unit = elemAt parts 3;
  in
  if unit == null then
    number * 1.0
  # A division rounds correctly, so that 100m equals 0.1.
  else if unit == "m" then
    number / thousand
  else
    number * factors.${unit}
