# One transfer: its CronJob, the files that its pods read, and the SQL proxy that runs beside it.
{
  name,
  namespace,
  yaml,
  transfer,
}:
cluster: t:
let
  inherit (builtins)
    attrNames
    concatStringsSep
    filter
    isAttrs
    listToAttrs
    map
    replaceStrings
    toJSON
    toString
    ;
  inherit (t) value table;
  at = "overlays/${cluster.name}/transfers/${transfer.name}-${t.name}";
  security = import ./security.nix;
  pod = import ./pod.nix { inherit name; } cluster;
  inherit (value) schedule;
  job = value.job or { };
  proxy = value.sql_proxy or null;
  port = proxy.port or 5432;
  patch = kind: operations: {
    target = { inherit kind; };
    patch = yaml operations;
  };
  when = condition: items: if condition then items else [ ];

  # TOML, whose texts are JSON's.
  pairs =
    set:
    concatStringsSep "" (
      map (key: "${key} = ${toJSON set.${key}}\n") (filter (key: !(isAttrs set.${key})) (attrNames set))
    );
  source = table.source // (if proxy == null then { } else { proxy = "127.0.0.1:${toString port}"; });
  configuration = ''
    # Written by `nix run .#render` from nix/clusters/${cluster.name}/transfers/${t.file}: edit that.
    ${pairs (value.domain or { })}[transfer.${t.name}]
    ${pairs table}
    [transfer.${t.name}.source]
    ${pairs source}'';
  files = t.files // {
    "transfer.toml" = configuration;
  };
  # The keys of a ConfigMap have no slashes.
  keyOf = replaceStrings [ "/" ] [ "." ];

  arguments = [
    "transfer"
    (value.date or "yesterday")
    t.name
    value.mode
    "transfer.toml"
    "--job"
    "$(JOB_NAME)"
    # A pod that takes over from one that was killed waits until that one's lease has ended.
    "--wait"
    # The environments, which are in the image.
    "--config"
    "/app/config/environments.toml"
  ]
  ++ when (value ? delta_days) [
    "--delta-days"
    (toString value.delta_days)
  ]
  ++ when (value ? max_rejected) [
    "--max-rejected"
    (toString value.max_rejected)
  ];

  # A sidecar: it starts before the program, and ends after it, so that the Job ends.
  sqlProxy = pod.google // {
    name = "sql-proxy";
    image = cluster.spec.sqlProxy;
    restartPolicy = "Always";
    args = [
      "--private-ip"
      "--address=127.0.0.1"
      "--port=${toString port}"
      "--structured-logs"
      # For the probe, which comes from the node.
      "--health-check"
      "--http-address=0.0.0.0"
      "--http-port=9801"
    ]
    ++ when (proxy.iam_login or false) [ "--auto-iam-authn" ]
    ++ [ proxy.instance ];
    startupProbe = {
      httpGet = {
        path = "/startup";
        port = 9801;
      };
      periodSeconds = 1;
      failureThreshold = 60;
    };
    resources = {
      requests.cpu = "50m";
      requests.memory = "64Mi";
      limits.memory = "256Mi";
    };
    securityContext = security.container;
  };

  cronJob = {
    apiVersion = "batch/v1";
    kind = "CronJob";
    metadata.name = transfer.name;
    spec = {
      schedule = schedule.cron;
      timeZone = schedule.time_zone or table.time_zone or "UTC";
      suspend = schedule.suspend or false;
      startingDeadlineSeconds = schedule.starting_deadline_seconds or 3600;
      successfulJobsHistoryLimit = job.successful_jobs_history_limit or 3;
      failedJobsHistoryLimit = job.failed_jobs_history_limit or 3;
      jobTemplate.spec = {
        backoffLimit = job.backoff_limit or 3;
        activeDeadlineSeconds = job.active_deadline_seconds or 21600;
        ttlSecondsAfterFinished = job.ttl_seconds_after_finished or 604800;
        template.spec = {
          containers = [
            {
              inherit name;
              args = arguments;
              resources = value.resources or cluster.spec.resources;
            }
          ];
          volumes = [
            {
              name = "files";
              configMap.items = map (path: {
                key = keyOf path;
                inherit path;
              }) (attrNames files);
            }
          ];
        }
        // (if proxy == null then { } else { initContainers = [ sqlProxy ]; });
      };
    };
  };
in
{
  "${at}/kustomization.yaml" = {
    apiVersion = "kustomize.config.k8s.io/v1beta1";
    kind = "Kustomization";
    inherit namespace;
    nameSuffix = "-${t.name}";
    resources = [ "../../../../base/transfer" ];
    # `files` first: kustomize versions differ in the order in which components and generators apply.
    components = [
      "files"
      "../../_transfer"
    ];
    labels = [
      {
        pairs."app.kubernetes.io/instance" = t.name;
        includeSelectors = true;
      }
    ];
    patches = [
      (patch "CronJob" cronJob)
    ]
    # The port on which instances of Cloud SQL expect the proxy.
    ++ when (proxy != null) [
      (patch "NetworkPolicy" [
        {
          op = "add";
          path = "/spec/egress/-";
          value = {
            to = [ { ipBlock.cidr = "${proxy.address}/32"; } ];
            ports = [
              {
                port = 3307;
                protocol = "TCP";
              }
            ];
          };
        }
      ])
    ];
  };

  # kustomize puts a hash of the files into the ConfigMap's name: a Job that runs keeps those with which
  # it began.
  "${at}/files/kustomization.yaml" = {
    apiVersion = "kustomize.config.k8s.io/v1alpha1";
    kind = "Component";
    configMapGenerator = [
      {
        name = "transfer-files";
        files = map (path: "${keyOf path}=${path}") (attrNames files);
      }
    ];
  };
}
// listToAttrs (
  map (path: {
    name = "${at}/files/${path}";
    value = files.${path};
  }) (attrNames files)
)
