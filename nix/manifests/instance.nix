# One instance: its `.env` as a ConfigMap, its name, the domain that it runs, the query for its lag.
{
  name,
  namespace,
  yaml,
  # Of all checks.
  check,
}:
cluster: instance:
let
  at = "overlays/${cluster.name}/instances/${instance.name}";
  pin = cluster.release.pins.${instance.name} or null;
  paused = builtins.elem instance.name (cluster.release.paused or [ ]);
  arriving = builtins.elem instance.name (cluster.release.arriving or [ ]);
  pausedByCluster = cluster.spec.pauseAutoscaling or false;
  labels."app.kubernetes.io/instance" = instance.name;
  ours = ''namespace="${namespace}",app_kubernetes_io_instance="${instance.name}"'';
  patch = kind: operations: {
    target = { inherit kind; };
    patch = yaml operations;
  };
  when = condition: items: if condition then items else [ ];
  isChecked = cluster.spec.check or true;
in
{
  "${at}/kustomization.yaml" = {
    apiVersion = "kustomize.config.k8s.io/v1beta1";
    kind = "Kustomization";
    inherit namespace;
    nameSuffix = "-${instance.name}";
    resources = [ "../../../../base" ] ++ when isChecked [ "../../../../base/check" ];
    # `env` first: kustomize versions differ in the order in which components and generators apply.
    components = [
      "env"
      "../../_cluster"
    ]
    ++ when isChecked [ "../../_check" ];
    labels = [
      {
        pairs = labels;
        includeSelectors = true;
      }
    ];
    patches = [
      (patch "Deployment" [
        {
          op = "add";
          path = "/spec/template/spec/containers/0/args";
          # With the subcommand, so that a domain may have the same name as a subcommand.
          value = [
            "run"
            instance.domain
            "--env-file"
            "/etc/generic-consumer/.env"
          ];
        }
      ])
      (patch "ScaledObject" [
        {
          op = "replace";
          path = "/spec/triggers/0/metadata/query";
          # For a moment after a rebalance two pods may report the same partition: count it once.
          value = "sum(max by (partition) (generic_consumer_lag_records{${ours}}))";
        }
      ])
    ]
    ++ when isChecked [
      (patch "Job" [
        {
          op = "add";
          path = "/spec/template/spec/containers/0/args";
          value = [
            "check"
            instance.domain
            "--env-file"
            "/etc/generic-consumer/.env"
          ];
        }
      ])
    ]
    # KEDA keeps the number of pods as it is, whatever that is.
    ++ when paused [
      (patch "ScaledObject" [
        {
          op = "add";
          path = "/metadata/annotations";
          value."autoscaling.keda.sh/paused" = "true";
        }
      ])
    ]
    # An instance that arrives by a move has no number of pods yet: a Deployment without a replica
    # count has one. It is held at two until the move ends, without pausing KEDA, which may report an
    # object as paused for ever that was created so (kedacore/keda#6421).
    ++ when (arriving && !pausedByCluster) [
      (patch "ScaledObject" [
        {
          op = "replace";
          path = "/spec/maxReplicaCount";
          value = 2;
        }
      ])
    ]
    # Where the cluster pauses everything, KEDA does nothing without this annotation.
    ++ when (arriving && pausedByCluster) [
      (patch "ScaledObject" [
        {
          op = "add";
          path = "/metadata/annotations";
          value."autoscaling.keda.sh/paused-replicas" = "2";
        }
      ])
    ];
  }
  // (
    if pin == null then
      { }
    else
      {
        # The name is the one that the cluster's component has set.
        images = [
          {
            name = cluster.spec.image;
            digest = pin;
          }
        ];
      }
  );

  # kustomize puts a hash of the file into the ConfigMap's name, so that a changed file restarts this
  # instance and no other.
  "${at}/env/kustomization.yaml" = {
    apiVersion = "kustomize.config.k8s.io/v1alpha1";
    kind = "Component";
    configMapGenerator = [
      {
        name = "${name}-env";
        files = [ ".env" ];
      }
    ]
    ++ when isChecked [
      {
        name = check.env;
        files = [ ".env" ];
        inherit (check) options;
      }
    ];
  };
  "${at}/env/.env" = instance.text;
}
