# The alerts: { groups, limits }. `limits` has the number with which a rule compares what it watches, by
# the rule's name; the Grafana dashboard draws them. docs/runbook.md has a section for each rule, and
# tests/flake/alerts has cases in which it fires and in which it does not.
{
  name,
  namespace,
  runbook,
  ...
}:
let
  inherit (builtins)
    concatMap
    filter
    listToAttrs
    map
    toJSON
    ;
  text = import ../text.nix;
  given = import ./metrics.nix { inherit name namespace; };
  groups = map (file: import file given) [
    ./instance.nix
    ./freshness.nix
    ./api.nix
    ./results.nix
    ./transfers.nix
  ];

  # `watched > limit`, or a whole `expr` where there is more to compare. `critical` is for a person who
  # sleeps, `warning` for the next hours of work.
  rule =
    label:
    {
      alert,
      wait,
      watched ? null,
      limit ? null,
      expr ? "${watched} > ${toJSON limit}",
      severity ? "warning",
      summary,
      description,
    }:
    {
      inherit alert expr;
      "for" = wait;
      labels = { inherit severity; };
      annotations = {
        summary = "{{ $labels.${label} }}: ${summary}";
        inherit description;
        runbook_url = "${runbook}#${text.toLower alert}";
      };
    };
in
{
  groups = map (group: {
    inherit (group) name;
    rules = map (rule (group.label or given.instance)) group.rules;
  }) groups;

  limits = listToAttrs (
    map (each: {
      name = each.alert;
      value = each.limit;
    }) (filter (each: each ? limit) (concatMap (group: group.rules) groups))
  );
}
