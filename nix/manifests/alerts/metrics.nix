# What alerts are made of: our metrics (docs/reference/metrics.md), and those of kube-state-metrics about
# Deployments, pods and CronJobs, of one namespace.
{ name, namespace }:
let
  ours = ''namespace="${namespace}"'';
in
rec {
  inherit name ours;
  # The label that names an instance.
  instance = "app_kubernetes_io_instance";
  each = "by (${instance})";

  of = metric: "generic_consumer_${metric}{${ours}}";
  where = metric: matchers: "generic_consumer_${metric}{${ours},${matchers}}";

  # What a counter has gained in 15 minutes. A counter with labels appears with its first record, and
  # `increase` leaves out what a series has when it appears. So a series that is younger counts whole. One
  # that was missing for a while, as after a failed scrape, is not younger.
  gained =
    counter:
    "(${counter} unless last_over_time(${counter}[15m] offset 15m)) or increase(${counter}[15m])";

  # The part of some requests or events among all of them.
  share =
    window: some: all:
    "sum ${each} (rate(${some}[${window}])) / sum ${each} (rate(${all}[${window}]))";

  # The time within which so many of a histogram's observations were.
  quantile =
    which: histogram:
    "histogram_quantile(${which}, sum by (${instance}, le) (rate(${of "${histogram}_bucket"}[10m])))";

  # A metric of the Deployments of instances, by instance, whatever the pod that reports it.
  deployments =
    metric:
    ''max ${each} (label_replace(kube_deployment_${metric}{${ours},deployment=~"${name}-.+"}, "${instance}", "$1", "deployment", "${name}-(.+)"))'';

  # A metric of the CronJobs of transfers, whatever the pod that reports it.
  cronJobs = metric: ''max by (cronjob) (kube_cronjob_${metric}{${ours},cronjob=~"transfer-.+"})'';
}
