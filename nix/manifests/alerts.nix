# What somebody has to look at, by our own metrics (docs/reference/metrics.md).
{ namespace }:
let
  instance = "app_kubernetes_io_instance";
  ours = ''namespace="${namespace}"'';
  alert = name: wait: expr: summary: {
    alert = name;
    inherit expr;
    "for" = wait;
    labels.severity = "warning";
    annotations.summary = "{{ $labels.${instance} }}: ${summary}";
  };
in
[
  {
    name = "generic-consumer";
    rules = [
      # Four pods, and still a quarter of an hour behind: more pods are no answer any more.
      (alert "GenericConsumerBehind" "15m"
        "sum by (${instance}) (max by (${instance}, partition) (generic_consumer_lag_records{${ours}})) > 1000000"
        "a million records behind for a quarter of an hour"
      )
      # An append takes milliseconds; minutes mean that BigQuery does not answer.
      (alert "GenericConsumerUnsettled" "5m"
        "max by (${instance}) (generic_consumer_oldest_unsettled_seconds{${ours}}) > 300"
        "a batch has been waiting for BigQuery for five minutes"
      )
      (alert "GenericConsumerDeadLetters" "0m"
        "sum by (${instance}) (increase(generic_consumer_dead_lettered_records_total{${ours}}[15m])) > 0"
        "events are being dead-lettered; the reasons are in the table's dead letters"
      )
      # A rejoin follows a commit in doubt: one is life, several are a broker in trouble.
      (alert "GenericConsumerRejoins" "0m"
        "sum by (${instance}) (increase(generic_consumer_rejoins_total{${ours}}[15m])) > 5"
        "the Kafka client was made anew more than five times in a quarter of an hour"
      )
    ];
  }
]
