# Alerts on what keeps and serves the latest reports.
{
  instance,
  each,
  of,
  where,
  gained,
  share,
  ...
}:
{
  name = "generic-consumer-results";
  rules = [
    {
      alert = "GenericConsumerResultsBehind";
      wait = "15m";
      watched = "sum ${each} (max by (${instance}, partition) (${of "results_lag_records"}))";
      limit = 10000;
      summary = "the latest reports are more than 10,000 records behind for 15 minutes";
      description = "It serves reports that are no longer the latest: the store cannot be written, or the topic is read too slowly.";
    }
    {
      alert = "GenericConsumerResultsRejected";
      wait = "0m";
      watched = "sum ${each} (${gained (of "results_rejected_records_total")})";
      limit = 0;
      summary = "records of the reports' topic are no reports";
      description = "The former report of such a cluster stays and gets old. The log names each record's position.";
    }
    {
      alert = "GenericConsumerResultsErrors";
      wait = "5m";
      severity = "critical";
      watched = share "5m" (where "results_requests_total" ''status=~"5.."'') (
        of "results_requests_total"
      );
      limit = 0.05;
      summary = "more than a twentieth of the requests for reports fails";
      description = "The topic is being read from its beginning (503), too many requests wait (503), or the store cannot be read (500).";
    }
    # Once is a new store; again within the hour is none that it can keep.
    {
      alert = "GenericConsumerResultsRebuilds";
      wait = "0m";
      watched = "sum ${each} (increase(${of "results_rebuilds_total"}[1h]))";
      limit = 1;
      summary = "the reports' topic was read from its beginning more than once in an hour";
      description = "During each of these readings every question is answered with 503. The log says why it began.";
    }
  ];
}
