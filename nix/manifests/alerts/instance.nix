# Alerts on running domains.
{
  name,
  instance,
  each,
  ours,
  of,
  where,
  gained,
  quantile,
  deployments,
  ...
}:
let
  letters = of "dead_lettered_records_total";
  lag = of "lag_records";
  behind = "sum ${each} (max by (${instance}, partition) (${lag}))";
  skips = where "rule_skips_total" ''reason=~"error|budget"'';

  slow = alert: histogram: summary: description: {
    inherit alert summary description;
    wait = "15m";
    watched = quantile "0.9" histogram;
    limit = 5;
  };
in
{
  name = "generic-consumer";
  rules = [
    # Far behind for 15 minutes, although the autoscaler has had time to add pods.
    {
      alert = "GenericConsumerBehind";
      wait = "15m";
      watched = behind;
      limit = 1000000;
      summary = "more than a million records behind for 15 minutes";
      description = "It reads slower than producers write, or does not read at all. Nothing is lost before the topic's retention ends.";
    }
    # An append takes milliseconds; minutes mean that the sink does not respond.
    {
      alert = "GenericConsumerUnsettled";
      wait = "5m";
      watched = "max ${each} (${of "oldest_unsettled_seconds"})";
      limit = 300;
      summary = "a batch has been waiting for the sink for five minutes";
      description = "The sink or the dead letters do not acknowledge what was sent. The instance retries until they do; the rows are late.";
    }
    {
      alert = "GenericConsumerDeadLetters";
      wait = "0m";
      watched = "sum ${each} (${gained letters})";
      limit = 0;
      summary = "events are being dead-lettered; each dead letter has its reason";
      description = "Events do not fit the contract, or the sink refuses their rows. They are in the dead letters and not in the table.";
    }
    # The consumer rejoins its group after a commit that was not acknowledged. This happens now and
    # then; several times in a row mean trouble with a broker.
    {
      alert = "GenericConsumerRejoins";
      wait = "0m";
      watched = "sum ${each} (increase(${of "rejoins_total"}[15m]))";
      limit = 5;
      summary = "the consumer rejoined its group more than five times in 15 minutes";
      description = "Offset commits fail or are not acknowledged. What was not committed is read again; the table has it once in exactly-once.";
    }
    # An object is tried again every half minute at the latest, for as long as its store is away.
    {
      alert = "GenericConsumerFetchRetries";
      wait = "5m";
      watched = "sum ${each} (increase(${of "fetch_retries_total"}[15m]))";
      limit = 20;
      summary = "objects cannot be fetched: their store does not answer, or not in time";
      description = "Events wait for the objects that they name. An object that its store refuses for good becomes a dead letter instead.";
    }
    {
      alert = "GenericConsumerDown";
      wait = "5m";
      severity = "critical";
      expr = "${deployments "status_replicas_available"} == 0 and ${deployments "spec_replicas"} > 0";
      summary = "no pod has been ready for five minutes";
      description = "Nothing reads the topic here. The pods' state and the last lines of their logs say why.";
    }
    # Both at the same time would be one message too many.
    {
      alert = "GenericConsumerNotReady";
      wait = "15m";
      expr = "${deployments "status_replicas_available"} > 0 < ${deployments "spec_replicas"}";
      summary = "fewer pods are ready than asked for, for 15 minutes";
      description = "A rollout is stuck, a pod finds no node, or one does not get ready. The others read its partitions.";
    }
    {
      alert = "GenericConsumerRestarts";
      wait = "0m";
      watched = ''sum ${each} (label_replace(increase(kube_pod_container_status_restarts_total{${ours},pod=~"${name}-.+",container="${name}"}[1h]), "${instance}", "$1", "pod", "${name}-(.+)-[a-z0-9]+-[a-z0-9]+"))'';
      limit = 3;
      summary = "its containers were restarted more than three times in an hour";
      description = "The program ends or is killed again and again. Its exit code and its last lines say why.";
    }
    # Everything else here would stay silent.
    {
      alert = "GenericConsumerMetricsMissing";
      wait = "10m";
      expr = "${deployments "status_replicas_available"} > 0 unless max ${each} (up{${ours}}) == 1";
      summary = "pods are ready, but none of their metrics has come for ten minutes";
      description = "Prometheus does not reach the port of the metrics. The other alerts on this instance see nothing meanwhile.";
    }
    {
      alert = "GenericConsumerNoPartitions";
      wait = "15m";
      expr = "sum ${each} (${of "assigned_partitions"}) == 0";
      summary = "its pods run, and none has had a partition for 15 minutes";
      description = "Another member of the consumer group has all of them, the topic has none, or the instance is switched off (DISABLE).";
    }
    # Offsets are committed whenever the settled head of a partition has moved, whatever became of the
    # records. What is ignored counts already when it is read, so it says nothing about progress.
    {
      alert = "GenericConsumerStalled";
      wait = "5m";
      severity = "critical";
      expr = "${behind} > 0 unless sum ${each} (increase(${of "commit_seconds_count"}[10m])) > 0";
      summary = "records are waiting, and no offset has been committed for 15 minutes";
      description = "It is behind and makes no progress at all: the sink, the broker or an object store does not answer, or the instance is stuck.";
    }
    # `resets` counts how often a lag fell.
    {
      alert = "GenericConsumerPartitionStuck";
      wait = "20m";
      expr = "min by (${instance}, partition) (min_over_time(${lag}[10m])) > 0 unless sum by (${instance}, partition) (resets(${lag}[10m])) > 0";
      summary = "partition {{ $labels.partition }} has been behind for half an hour, and its lag has never fallen";
      description = "One partition stands still, or gets more than is read of it, whatever the others do.";
    }
    {
      alert = "GenericConsumerThrottled";
      wait = "5m";
      watched = "max ${each} (${where "sink_waiting_seconds" ''why="throttled"''})";
      limit = 600;
      summary = "BigQuery has let nothing through for more than ten minutes: a quota";
      description = "Every append is refused because a quota or a limit is used up. Nothing is lost; rows are late until it is refilled or raised.";
    }
    {
      alert = "GenericConsumerSinkAway";
      wait = "5m";
      watched = "max ${each} (${where "sink_waiting_seconds" ''why=~"away|unanswered"''})";
      limit = 300;
      severity = "critical";
      summary = "nothing has got through to the sink for more than five minutes";
      description = "The sink refuses connections, fails, or does not answer. The instance tries again and again; a restart does not help.";
    }
    # Not even a retry: neither a quota nor an outage looks like this.
    {
      alert = "GenericConsumerHangs";
      wait = "1m";
      watched = "max ${each} (${of "no_progress_seconds"})";
      limit = 180;
      severity = "critical";
      summary = "it has work, and for more than three minutes nothing has come of it";
      description = "Neither an answer nor a failed attempt: the instance hangs. Kubernetes restarts it after ten minutes by itself.";
    }
    (slow "GenericConsumerAppendSlow" "append_seconds"
      "a tenth of the appends has taken longer than five seconds for 15 minutes"
      "The sink answers slowly or throttles. Throughput is what it allows."
    )
    (slow "GenericConsumerCommitSlow" "commit_seconds"
      "a tenth of the offset commits has taken longer than five seconds for 15 minutes"
      "The group's or the transaction's coordinator is slow. In exactly-once rows become visible after their commit, so they are late."
    )
    (slow "GenericConsumerFlushSlow" "flush_seconds"
      "a tenth of the flushes has taken longer than five seconds for 15 minutes"
      "BigQuery takes its time to make appended rows visible, or flushes are retried. Nothing is lost."
    )
    # A retry comes after ten seconds at the latest, after a minute where a quota is used up.
    {
      alert = "GenericConsumerAppendRetries";
      wait = "10m";
      watched = "sum ${each} (increase(${of "append_retries_total"}[15m]))";
      limit = 30;
      summary = "more than thirty appends were sent again in 15 minutes";
      description = "The sink refuses or loses appends: an outage, a quota, or connections that break.";
    }
    {
      alert = "GenericConsumerDeadLetterShare";
      wait = "5m";
      severity = "critical";
      watched = "sum ${each} (${gained letters}) > 100 and sum ${each} (${gained letters}) / sum ${each} (${gained (of "read_records_total")})";
      limit = 0.2;
      summary = "more than a fifth of what it reads is dead-lettered";
      description = "A producer or this deployment has the wrong contract. Every minute moves more of the topic into the dead letters.";
    }
    {
      alert = "GenericConsumerRuleSkips";
      wait = "15m";
      watched = "sum by (${instance}, rule) (increase(${skips}[1h])) / on (${instance}) group_left sum ${each} (increase(${of "evaluate_seconds_count"}[1h]))";
      limit = 0.1;
      summary = "rule {{ $labels.rule }} has no answer for more than a tenth of the objects";
      description = "The rule fails on these archives, or takes more steps than it may. Reports go out without it.";
    }
    {
      alert = "GenericConsumerTrackerLost";
      wait = "5m";
      watched = "sum ${each} (${gained (where "tracker_messages_total" ''outcome=~"not_published|unknown"'')})";
      limit = 100;
      summary = "messages to the payload tracker do not arrive";
      description = "The tracker's topic does not take them, or not in time. Events and reports are not affected.";
    }
  ];
}
