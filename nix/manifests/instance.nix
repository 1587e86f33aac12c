# One instance: its `.env` as a hashed ConfigMap, its name, its domain, its lag.
{
  name,
  namespace,
  yaml,
}:
cluster: instance:
let
  at = "overlays/${cluster.name}/instances/${instance.name}";
  pin = cluster.release.pins.${instance.name} or null;
  paused = builtins.elem instance.name (cluster.release.paused or [ ]);
  labels."app.kubernetes.io/instance" = instance.name;
  ours = ''namespace="${namespace}",app_kubernetes_io_instance="${instance.name}"'';
  patch = kind: operations: {
    target = { inherit kind; };
    patch = yaml operations;
  };
in
{
  "${at}/kustomization.yaml" = {
    apiVersion = "kustomize.config.k8s.io/v1beta1";
    kind = "Kustomization";
    inherit namespace;
    nameSuffix = "-${instance.name}";
    resources = [ "../../../../base" ];
    # The `.env` first: kustomize versions differ in the order of components and generators.
    components = [
      "env"
      "../../_cluster"
    ];
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
          # With the word, so that a domain may be called like a command.
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
          # After a rebalance two pods may tell of one partition for a moment: it counts once.
          value = "sum(max by (partition) (generic_consumer_lag_records{${ours}}))";
        }
      ])
    ]
    ++ (
      if paused then
        [
          (patch "ScaledObject" [
            {
              op = "add";
              path = "/metadata/annotations";
              value."autoscaling.keda.sh/paused" = "true";
            }
          ])
        ]
      else
        [ ]
    );
  }
  // (
    if pin == null then
      { }
    else
      {
        # By the name that the cluster's component has given it.
        images = [
          {
            name = cluster.spec.image;
            digest = pin;
          }
        ];
      }
  );

  # The hash in the ConfigMap's name rolls this instance, and no other, when the file changes.
  "${at}/env/kustomization.yaml" = {
    apiVersion = "kustomize.config.k8s.io/v1alpha1";
    kind = "Component";
    configMapGenerator = [
      {
        name = "${name}-env";
        files = [ ".env" ];
      }
    ];
  };
  "${at}/env/.env" = instance.text;
}
