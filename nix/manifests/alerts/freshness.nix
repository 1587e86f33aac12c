# Alerts on FRESHNESS_SLO: 99 of 100 rows are to be visible within it. A month's allowance is used up in two
# days at fourteen times the rate that it is for, and in five days at six times. Of two windows, the long one
# says that it counts, and the short one that it still goes on. Domains without FRESHNESS_SLO have none of
# these rows.
{
  of,
  where,
  share,
  ...
}:
let
  allowed = 1.0e-2;
  late = where "fresh_rows_total" ''in_time="false"'';
  all = of "fresh_rows_total";
  burning =
    {
      short,
      long,
      times,
      ...
    }@given:
    let
      limit = times * allowed;
    in
    removeAttrs given [
      "short"
      "long"
      "times"
    ]
    // {
      inherit limit;
      watched = "${share long late all} > ${builtins.toJSON limit} and ${share short late all}";
    };
in
{
  name = "generic-consumer-freshness";
  rules = map burning [
    {
      alert = "GenericConsumerFreshnessBurns";
      wait = "2m";
      severity = "critical";
      short = "5m";
      long = "1h";
      times = 14;
      summary = "more than a seventh of its rows has been late for an hour";
      description = "Rows become visible later than FRESHNESS_SLO allows, many of them, and it goes on. At this rate a month's allowance is gone in two days.";
    }
    {
      alert = "GenericConsumerFreshnessSmoulders";
      wait = "15m";
      short = "30m";
      long = "6h";
      times = 6;
      summary = "more than six of a hundred rows have been late for six hours";
      description = "Some rows become visible later than FRESHNESS_SLO allows, again and again. At this rate a month's allowance is gone in five days.";
    }
  ];
}
