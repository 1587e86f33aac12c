# Alerts on our own metrics (docs/reference/metrics.md), and on those of kube-state-metrics about
# transfers.
{ namespace }:
let
  instance = "app_kubernetes_io_instance";
  ours = ''namespace="${namespace}"'';
  letters = "generic_consumer_dead_lettered_records_total{${ours}}";
  about = label: name: wait: expr: summary: {
    alert = name;
    inherit expr;
    "for" = wait;
    labels.severity = "warning";
    annotations.summary = "{{ $labels.${label} }}: ${summary}";
  };
  alert = about instance;
  # A metric of the CronJobs of transfers, whatever the pod that reports it.
  cronJobs =
    metric:
    ''max by (cronjob) (kube_cronjob_${metric}{namespace="${namespace}",cronjob=~"transfer-.+"})'';
in
[
  {
    name = "generic-consumer";
    rules = [
      # Far behind for 15 minutes, although the autoscaler has had time to add pods.
      (alert "GenericConsumerBehind" "15m"
        "sum by (${instance}) (max by (${instance}, partition) (generic_consumer_lag_records{${ours}})) > 1000000"
        "more than a million records behind for 15 minutes"
      )
      # An append takes milliseconds; minutes mean that BigQuery does not respond.
      (alert "GenericConsumerUnsettled" "5m"
        "max by (${instance}) (generic_consumer_oldest_unsettled_seconds{${ours}}) > 300"
        "a batch has been waiting for BigQuery for five minutes"
      )
      # A reason's counter appears with its first dead letter, and `increase` leaves out what a series has
      # when it appears. So a series that is younger than 15 minutes counts whole.
      (alert "GenericConsumerDeadLetters" "0m"
        "sum by (${instance}) ((${letters} unless ${letters} offset 15m) or increase(${letters}[15m])) > 0"
        "events are being dead-lettered; each dead letter has its reason"
      )
      # The consumer rejoins its group after a commit that was not acknowledged. This happens now and
      # then; several times in a row mean trouble with a broker.
      (alert "GenericConsumerRejoins" "0m"
        "sum by (${instance}) (increase(generic_consumer_rejoins_total{${ours}}[15m])) > 5"
        "the consumer rejoined its group more than five times in 15 minutes"
      )
      # An object is tried again every half minute at the latest, for as long as its store is away.
      (alert "GenericConsumerFetchRetries" "5m"
        "sum by (${instance}) (increase(generic_consumer_fetch_retries_total{${ours}}[15m])) > 20"
        "objects cannot be fetched: their store does not answer, or not in time"
      )
    ];
  }
  {
    name = "generic-consumer-transfers";
    rules = [
      # The last run has ended and has not succeeded, nor has one since. A run that takes too long ends
      # by its deadline.
      (about "cronjob" "GenericConsumerTransferFailed" "5m"
        "${cronJobs "status_last_schedule_time"} unless ${cronJobs "status_last_successful_time"} >= ${cronJobs "status_last_schedule_time"} unless ${cronJobs "status_active"} > 0"
        "the last run has failed; the log of its pod says why, and whether the target was changed"
      )
      # The time of the next run has passed: the controller is away, or a run takes longer than the
      # schedule leaves it. There is no such time where a transfer is suspended.
      (about "cronjob" "GenericConsumerTransferNotStarted" "0m"
        "time() - ${cronJobs "next_schedule_time"} > 900"
        "the run that was due a quarter of an hour ago has not begun"
      )
    ];
  }
]
