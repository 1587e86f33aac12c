# Validates the resources of a pod: requests and limits, no request above its limit.
let
  inherit (builtins) attrNames concatMap filter;
  text = import ../text.nix;
  quantity = import ./quantity.nix;
  shape = import ./shape.nix;
  inherit (text) show;
  inherit (shape) is when;

  amount =
    least: unit:
    is
      (
        value:
        let
          given = quantity value;
        in
        given != null && given >= quantity least
      )
      "a quantity of ${unit}"
      "write at least ${least}, as Kubernetes does: 500m of CPU, 256Mi of memory";
  amounts = shape.fields {
    checks = {
      cpu = amount "1m" "CPU";
      memory = amount "1Mi" "memory";
      ephemeral-storage = amount "1Mi" "storage";
    };
  };
in
at: value:
let
  sound = shape.fields {
    checks = {
      requests = amounts;
      limits = amounts;
    };
  } at value;
  requests = value.requests or { };
  limits = value.limits or { };
in
if sound != [ ] then
  sound
else
  concatMap (
    name:
    when (quantity requests.${name} > quantity limits.${name})
      "${at}.requests.${name} = ${show requests.${name}} is more than the limit ${show limits.${name}}: raise the limit or lower the request."
  ) (filter (name: limits ? ${name}) (attrNames requests))
