# The rows of the Grafana dashboard, each a question, and their panels. Metrics: docs/reference/metrics.md.
{ name }:
let
  inherit (builtins) map;
  instance = "app_kubernetes_io_instance";
  by = "{{${instance}}}";
  ours = ''namespace="$namespace"'';
  chosen = ''${ours},${instance}=~"$instance"'';
  of = metric: "generic_consumer_${metric}{${chosen}}";
  where = metric: matchers: "generic_consumer_${metric}{${chosen},${matchers}}";

  query = legendFormat: expr: { inherit legendFormat expr; };
  # A counter by a second, by instance and label.
  perSecond =
    label: counter:
    query "${by} {{${label}}}" "sum by (${instance}, ${label}) (rate(${counter}[$__rate_interval]))";
  total = legend: counter: query legend "sum (rate(${counter}[$__rate_interval]))";
  # 0 where there is none of the one and some of all.
  share =
    legend: some: all:
    let
      rate = counter: "sum by (${instance}) (rate(${counter}[$__rate_interval]))";
    in
    query "${by} ${legend}" "(${rate some} or 0 * ${rate all}) / ${rate all}";
  gained = window: counter: query by "sum by (${instance}) (increase(${counter}[${window}]))";
  quantiles =
    histogram:
    map
      (
        { which, legend }:
        query "${by} ${legend}" "histogram_quantile(${which}, sum by (${instance}, le) (rate(${of "${histogram}_bucket"}[$__rate_interval])))"
      )
      [
        {
          which = "0.5";
          legend = "half";
        }
        {
          which = "0.9";
          legend = "nine of ten";
        }
        {
          which = "0.99";
          legend = "99 of 100";
        }
      ];
  mean =
    legend: histogram:
    query legend "sum (rate(${of "${histogram}_sum"}[$__rate_interval])) / sum (rate(${of "${histogram}_count"}[$__rate_interval]))";
  deployments =
    metric:
    ''max by (${instance}) (label_replace(kube_deployment_${metric}{${ours},deployment=~"${name}-($instance)"}, "${instance}", "$1", "deployment", "${name}-(.+)"))'';
  cronJobs = metric: ''max by (cronjob) (kube_cronjob_${metric}{${ours},cronjob=~"transfer-.+"})'';
  # Of the files that `transfer --metrics-file` writes, wherever they are collected.
  lastRun =
    legend: metric:
    query "{{transfer}} ${legend}" "max by (transfer) (generic_consumer_transfer_${metric})";
  seconds = title: about: histogram: explains: {
    inherit title about explains;
    unit = "s";
    queries = quantiles histogram;
  };
in
[
  {
    title = "Is it running?";
    panels = [
      {
        title = "Alerts that fire";
        about = "Each line is an alert that fires. The runbook has a section for it.";
        unit = "short";
        queries = [
          (query "{{alertname}} ${by}{{cronjob}}" ''sum by (alertname, ${instance}, cronjob) (ALERTS{alertname=~"GenericConsumer.+",alertstate="firing"})'')
        ];
        stacked = true;
      }
      {
        title = "Pods";
        about = "Pods that are ready, and pods that the autoscaler asks for.";
        unit = "short";
        queries = [
          (query "${by} ready" (deployments "status_replicas_available"))
          (query "${by} asked for" (deployments "spec_replicas"))
        ];
        explains = [
          "GenericConsumerDown"
          "GenericConsumerNotReady"
        ];
      }
      {
        title = "Scraped pods";
        about = "Pods whose metrics Prometheus gets. Where they are fewer than those that are ready, the panels below know only a part.";
        unit = "short";
        queries = [ (query by "sum by (${instance}) (up{${chosen}})") ];
        explains = [ "GenericConsumerMetricsMissing" ];
      }
      {
        title = "Partitions";
        about = "Partitions that each pod owns. Together they are those of the topic; a step is a rebalance.";
        unit = "short";
        queries = [
          (query "${by} {{pod}}" "sum by (${instance}, pod) (${of "assigned_partitions"})")
        ];
        explains = [ "GenericConsumerNoPartitions" ];
        stacked = true;
      }
      {
        title = "Restarts in an hour";
        about = "Restarts of containers. The exit code of the last one is in the pod's state.";
        unit = "short";
        queries = [
          (query "{{pod}}" ''sum by (pod) (increase(kube_pod_container_status_restarts_total{${ours},pod=~"${name}-($instance)-.+",container="${name}"}[1h]))'')
        ];
        explains = [ "GenericConsumerRestarts" ];
      }
      {
        title = "Rejoins in 15 minutes";
        about = "Times that a consumer joined its group anew, because a commit failed or its result is unknown.";
        unit = "short";
        queries = [ (gained "15m" (of "rejoins_total")) ];
        explains = [ "GenericConsumerRejoins" ];
      }
    ];
  }
  {
    title = "Is it behind?";
    panels = [
      {
        title = "Lag";
        about = "Records between what is committed and what can be read, of all partitions.";
        unit = "short";
        queries = [
          (query by "sum by (${instance}) (max by (${instance}, partition) (${of "lag_records"}))")
        ];
        explains = [
          "GenericConsumerBehind"
          "GenericConsumerStalled"
        ];
      }
      {
        title = "Lag of each partition";
        about = "A single line that only rises is a partition that stands still, or a key with most of the records.";
        unit = "short";
        queries = [
          (query "${by} {{partition}}" "max by (${instance}, partition) (${of "lag_records"})")
        ];
        explains = [ "GenericConsumerPartitionStuck" ];
      }
      {
        title = "Records a second";
        about = "What is read becomes a row, is ignored, or is a dead letter. Where more is read than ends, it waits for the sink.";
        unit = "short";
        queries = [
          (total "read" (of "read_records_total"))
          (total "rows" (of "written_rows_total"))
          (total "ignored" (of "ignored_records_total"))
          (total "dead letters" (of "dead_lettered_records_total"))
        ];
      }
      {
        title = "Time to catch up";
        about = "Lag divided by what is read a second, as if nothing new came.";
        unit = "s";
        queries = [
          (query by "sum by (${instance}) (max by (${instance}, partition) (${of "lag_records"})) / sum by (${instance}) (rate(${of "read_records_total"}[$__rate_interval]))")
        ];
      }
    ];
  }
  {
    title = "Is it fresh?";
    panels = [
      {
        title = "Age of rows when they become visible";
        about = "From the record's timestamp to the moment in which a query sees the row; a batch counts as its oldest row.";
        unit = "s";
        queries = quantiles "freshness_seconds" ++ [
          (query "${by} FRESHNESS_SLO" "max by (${instance}) (${of "freshness_slo_seconds"}) > 0")
        ];
      }
      {
        title = "Share of late rows";
        about = "Rows that became visible later than FRESHNESS_SLO allows. Nothing where it is not set.";
        unit = "percentunit";
        queries = [ (share "" (where "fresh_rows_total" ''in_time="false"'') (of "fresh_rows_total")) ];
        explains = [
          "GenericConsumerFreshnessBurns"
          "GenericConsumerFreshnessSmoulders"
        ];
      }
      {
        title = "Seconds behind";
        about = "How long ago the last committed record was written, in the partition that is furthest behind.";
        unit = "s";
        queries = [ (query by "max by (${instance}) (${of "lag_seconds"})") ];
      }
      {
        title = "Oldest batch that is not written";
        about = "Seconds that the oldest batch has waited for the sink's acknowledgement.";
        unit = "s";
        queries = [ (query by "max by (${instance}) (${of "oldest_unsettled_seconds"})") ];
        explains = [ "GenericConsumerUnsettled" ];
      }
      {
        title = "Bytes in flight";
        about = "Rows and dead letters that are not acknowledged. At IN_FLIGHT_BYTES reading pauses, until half of it is left.";
        unit = "bytes";
        queries = [ (query "${by} {{pod}}" "sum by (${instance}, pod) (${of "in_flight_bytes"})") ];
      }
      {
        title = "What a row waits for";
        about = "The mean of an append, an offset commit and a flush, one after another in exactly-once.";
        unit = "s";
        queries = [
          (mean "append" "append_seconds")
          (mean "commit" "commit_seconds")
          (mean "flush" "flush_seconds")
        ];
        stacked = true;
      }
    ];
  }
  {
    title = "What is refused?";
    panels = [
      {
        title = "Dead letters a second";
        about = "By reason; docs/reference/outcomes.md explains each.";
        unit = "short";
        queries = [ (perSecond "reason" (of "dead_lettered_records_total")) ];
        explains = [ "GenericConsumerDeadLetters" ];
        line = false;
        stacked = true;
      }
      {
        title = "Share of dead letters";
        about = "Dead letters among the records that were read.";
        unit = "percentunit";
        queries = [
          (share "" (of "dead_lettered_records_total") (of "read_records_total"))
        ];
        explains = [ "GenericConsumerDeadLetterShare" ];
      }
      {
        title = "Ignored a second";
        about = "Left out on purpose: by the ignore list, as tombstones, or by FILTER.";
        unit = "short";
        queries = [ (perSecond "event_type" (of "ignored_records_total")) ];
        stacked = true;
      }
    ];
  }
  {
    title = "Is the contract current?";
    panels = [
      {
        title = "Changed contract that is not used";
        about = "For how long there has been a changed contract that the pods refuse. The log and /status say why.";
        unit = "s";
        queries = [
          (query by "max by (${instance}) (time() - ${of "contract_refused_timestamp_seconds"} and ${of "contract_refused"} == 1)")
        ];
      }
      {
        title = "Contracts in use";
        about = "Pods by the digest of their contract's documents. For a minute after a change there are two.";
        unit = "short";
        queries = [
          (query "${by} {{digest}}" "count by (${instance}, digest) (${of "contract_info"})")
        ];
        stacked = true;
      }
      {
        title = "Looks at changed contracts in an hour";
        about = "Taken, refused, not ready because of the sink, or not read because folder or store did not answer.";
        unit = "short";
        queries = [
          (query "${by} {{outcome}}" "sum by (${instance}, outcome) (increase(${of "contract_reloads_total"}[1h]))")
        ];
      }
      {
        title = "Fields that are not declared, a second";
        about = "The ten most frequent fields of events that the contract does not declare: what producers have added. Estimated.";
        unit = "short";
        queries = [
          (query "${by} {{event_type}} {{path}}" "topk (10, sum by (${instance}, event_type, path) (rate(${of "undeclared_fields_total"}[$__rate_interval])))")
        ];
      }
    ];
  }
  {
    title = "Is the sink slow?";
    panels = [
      {
        title = "Nothing gets through";
        about = "For how long nothing has got through to the sink: throttled by a quota, unanswered, or away.";
        unit = "s";
        queries = [
          (query "${by} {{why}}" "max by (${instance}, why) (${of "sink_waiting_seconds"})")
        ];
        explains = [
          "GenericConsumerSinkAway"
          "GenericConsumerThrottled"
        ];
      }
      {
        title = "Without progress";
        about = "For how long there has been work and nothing has come of it, not even a retry.";
        unit = "s";
        queries = [ (query by "max by (${instance}) (${of "no_progress_seconds"})") ];
        explains = [ "GenericConsumerHangs" ];
      }
      (seconds "Appends" "Time from sending an append to its response." "append_seconds" [
        "GenericConsumerAppendSlow"
      ])
      (seconds "Offset commits" "Time that an offset commit takes; in exactly-once a transaction."
        "commit_seconds"
        [
          "GenericConsumerCommitSlow"
        ]
      )
      (seconds "Flushes" "Time to make rows visible, retries included. Only BigQuery has flushes."
        "flush_seconds"
        [
          "GenericConsumerFlushSlow"
        ]
      )
      {
        title = "Appends sent again in 15 minutes";
        about = "An outage, a quota or connections that break.";
        unit = "short";
        queries = [ (gained "15m" (of "append_retries_total")) ];
        explains = [ "GenericConsumerAppendRetries" ];
      }
      {
        title = "Bytes of rows a second";
        about = "As sent to the sink, acknowledged.";
        unit = "Bps";
        queries = [
          (query by "sum by (${instance}) (rate(${of "written_bytes_total"}[$__rate_interval]))")
        ];
      }
      {
        title = "Estimated cost of writing, US dollars a day";
        about = "Only BigQuery: bytes as sent, at the published price of their location or the environment's price_per_gib. Without queries, storage, discounts, and the free part of each month. An estimate, not a bill.";
        unit = "currencyUSD";
        queries = [
          (query by "86400 * sum by (${instance}) (rate(${of "written_bytes_total"}[1h])) / 2 ^ 30 * (max by (${instance}) (${of "write_price_dollars_per_gib"}) > 0)")
        ];
      }
      {
        title = "Bytes read a second";
        about = "Bytes of the records' values.";
        unit = "Bps";
        queries = [
          (query by "sum by (${instance}) (rate(${of "read_bytes_total"}[$__rate_interval]))")
        ];
      }
    ];
  }
  {
    title = "Event API";
    folded = true;
    panels = [
      {
        title = "Requests a second";
        about = "By the status of the answer; docs/reference/api.md explains each.";
        unit = "reqps";
        queries = [ (perSecond "status" (of "api_requests_total")) ];
        stacked = true;
      }
      {
        title = "Failed and turned away";
        about = "The share of requests that were answered with 5xx, and with 429.";
        unit = "percentunit";
        queries = [
          (share "failed" (where "api_requests_total" ''status=~"5.."'') (of "api_requests_total"))
          (share "turned away" (where "api_requests_total" ''status="429"'') (of "api_requests_total"))
        ];
        explains = [
          "GenericConsumerApiErrors"
          "GenericConsumerApiFull"
        ];
      }
      {
        title = "Events a second";
        about = "By what became of them; all but published is lost or refused.";
        unit = "short";
        queries = [ (perSecond "outcome" (of "api_events_total")) ];
        explains = [ "GenericConsumerApiNotPublished" ];
        line = false;
        stacked = true;
      }
      {
        title = "Share of refused events";
        about = "Events that the contract refuses.";
        unit = "percentunit";
        queries = [
          (share "" (where "api_events_total" ''outcome="refused"'') (of "api_events_total"))
        ];
        explains = [ "GenericConsumerApiRefused" ];
      }
      (seconds "Until the broker acknowledges"
        "Time from handing a request's events to the client until the last is acknowledged."
        "api_publish_seconds"
        [
          "GenericConsumerApiSlow"
        ]
      )
      {
        title = "Bytes that wait";
        about = "Bytes of requests that are not answered; IN_FLIGHT_BYTES limits them.";
        unit = "bytes";
        queries = [ (query "${by} {{pod}}" "sum by (${instance}, pod) (${of "api_queued_bytes"})") ];
      }
    ];
  }
  {
    title = "Objects and rules";
    folded = true;
    panels = [
      (seconds "Fetching an object" "Time to a whole object, with all attempts." "fetch_seconds" [ ])
      {
        title = "Attempts to fetch that were repeated in 15 minutes";
        about = "The store does not answer, or not in time.";
        unit = "short";
        queries = [ (gained "15m" (of "fetch_retries_total")) ];
        explains = [ "GenericConsumerFetchRetries" ];
      }
      (seconds "Applying the rules to an object" "Time to evaluate all rules of the set."
        "evaluate_seconds"
        [ ]
      )
      {
        title = "Findings a second";
        about = "By rule. A rule that is suddenly quiet, or loud, is worth a look.";
        unit = "short";
        queries = [ (perSecond "rule" (of "findings_total")) ];
        stacked = true;
      }
      {
        title = "Rules without an answer";
        about = "Share of the objects for which a rule failed, or took more than its budget.";
        unit = "percentunit";
        queries = [
          (query "${by} {{rule}}" "sum by (${instance}, rule) (rate(${where "rule_skips_total" ''reason=~"error|budget"''}[$__rate_interval])) / on (${instance}) group_left sum by (${instance}) (rate(${of "evaluate_seconds_count"}[$__rate_interval]))")
        ];
        explains = [ "GenericConsumerRuleSkips" ];
      }
      {
        title = "Messages to the payload tracker a second";
        about = "By what became of them; no_request is an event that names no request.";
        unit = "short";
        queries = [ (perSecond "outcome" (of "tracker_messages_total")) ];
        explains = [ "GenericConsumerTrackerLost" ];
        line = false;
        stacked = true;
      }
    ];
  }
  {
    title = "Latest reports";
    folded = true;
    panels = [
      {
        title = "Lag of the reports";
        about = "Records between what is stored and what can be read.";
        unit = "short";
        queries = [
          (query by "sum by (${instance}) (max by (${instance}, partition) (${of "results_lag_records"}))")
        ];
        explains = [ "GenericConsumerResultsBehind" ];
      }
      {
        title = "Requests for reports a second";
        about = "By the status of the answer; docs/reference/results.md explains each.";
        unit = "reqps";
        queries = [ (perSecond "status" (of "results_requests_total")) ];
        stacked = true;
      }
      {
        title = "Failed requests for reports";
        about = "The share that was answered with 5xx.";
        unit = "percentunit";
        queries = [
          (share "" (where "results_requests_total" ''status=~"5.."'') (of "results_requests_total"))
        ];
        explains = [ "GenericConsumerResultsErrors" ];
      }
      {
        title = "Reports";
        about = "One for each organization and cluster. It falls to 0 when the topic is read from its beginning.";
        unit = "short";
        queries = [ (query by "max by (${instance}) (${of "results_reports"})") ];
      }
      {
        title = "Records that are no reports, a second";
        about = "By reason. They leave the former report as it was.";
        unit = "short";
        queries = [ (perSecond "reason" (of "results_rejected_records_total")) ];
        explains = [ "GenericConsumerResultsRejected" ];
        line = false;
        stacked = true;
      }
      {
        title = "Readings from the beginning, in an hour";
        about = "Each answers all questions with 503 while it lasts.";
        unit = "short";
        queries = [ (gained "1h" (of "results_rebuilds_total")) ];
        explains = [ "GenericConsumerResultsRebuilds" ];
      }
    ];
  }
  {
    title = "Transfers";
    panels = [
      {
        title = "Since the last success";
        about = "Time since a run of the CronJob last succeeded.";
        unit = "s";
        queries = [ (query "{{cronjob}}" "time() - ${cronJobs "status_last_successful_time"}") ];
        explains = [ "GenericConsumerTransferFailed" ];
      }
      {
        title = "Runs that go on";
        about = "Jobs that run now; two at most, where somebody started one by hand.";
        unit = "short";
        queries = [ (query "{{cronjob}}" (cronJobs "status_active")) ];
        explains = [ "GenericConsumerTransferSlow" ];
      }
      {
        title = "Overdue";
        about = "Time since the next run should have begun; 0 where it is not due.";
        unit = "s";
        queries = [ (query "{{cronjob}}" "clamp_min(time() - ${cronJobs "next_schedule_time"}, 0)") ];
        explains = [ "GenericConsumerTransferNotStarted" ];
      }
      {
        title = "Records of the last run";
        about = "Only where the files of --metrics-file are collected, as by node_exporter.";
        unit = "short";
        queries = [
          (lastRun "read" "read_records")
          (lastRun "staged" "staged_rows")
          (lastRun "rejected" "rejected_records")
        ];
      }
      {
        title = "What the last run took";
        about = "By phase. Only where the files of --metrics-file are collected.";
        unit = "s";
        queries = [
          (query "{{transfer}} {{phase}}" "max by (transfer, phase) (generic_consumer_transfer_phase_seconds)")
        ];
        stacked = true;
      }
      {
        title = "Exit code of the last run";
        about = "0 is success; docs/reference/exit-codes.md explains the others. Only where the files of --metrics-file are collected.";
        unit = "short";
        queries = [ (lastRun "" "exit_code") ];
      }
    ];
  }
]
