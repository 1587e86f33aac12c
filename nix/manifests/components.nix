# kustomize/components: what the cloud, autoscaling and monitoring add to the base.
{ name, namespace, ... }@gitops:
let
  component =
    rest:
    {
      apiVersion = "kustomize.config.k8s.io/v1alpha1";
      kind = "Component";
    }
    // rest;
  yaml = import ./yaml.nix;
  patch = kind: operations: {
    target = { inherit kind; };
    patch = yaml operations;
  };
  scrape = 30;
  selector.matchLabels."app.kubernetes.io/name" = name;

  allowScraper = namespace: {
    op = "add";
    path = "/spec/ingress/-";
    value = {
      from = [ { namespaceSelector.matchLabels."kubernetes.io/metadata.name" = namespace; } ];
      ports = [
        {
          port = "metrics";
          protocol = "TCP";
        }
      ];
    };
  };

  alerts = import ./alerts gitops;

  # Where the pods reach BigQuery and Google's token services; a cluster has one of these.
  google = import ./google.nix;
  googleApis = builtins.listToAttrs (
    map (choice: {
      name = "components/googleapis/${choice}/kustomization.yaml";
      value = component {
        patches = [
          (patch "NetworkPolicy" [
            {
              op = "add";
              path = "/spec/egress/-";
              value = {
                to = map (cidr: { ipBlock = { inherit cidr; }; }) google.${choice};
                ports = [
                  {
                    port = 443;
                    protocol = "TCP";
                  }
                ];
              };
            }
          ])
        ];
      };
    }) (builtins.attrNames google)
  );
in
googleApis
// {
  "components/gke/kustomization.yaml" = component {
    patches = [
      (patch "NetworkPolicy" [
        # Google's managed Prometheus collector.
        (allowScraper "gmp-system")
        # Workload identity's metadata server: 169.254.169.252, on port 988 (80 on some versions),
        # and the address that Dataplane V2 checks.
        {
          op = "add";
          path = "/spec/egress/-";
          value = {
            to = [
              { ipBlock.cidr = "169.254.169.252/32"; }
              { ipBlock.cidr = "169.254.169.254/32"; }
            ];
            ports = [
              {
                port = 988;
                protocol = "TCP";
              }
              {
                port = 80;
                protocol = "TCP";
              }
            ];
          };
        }
      ])
    ];
  };

  # Google's token services are among its APIs, which the cluster's component allows.
  "components/eks/kustomization.yaml" = component {
    patches = [ (patch "NetworkPolicy" [ (allowScraper "monitoring") ]) ];
  };

  "components/autoscale/kustomization.yaml" = component {
    resources = [ "scaledobject.yaml" ];
    configurations = [ "kustomizeconfig.yaml" ];
  };

  # Tells kustomize to rename the ScaledObject's target together with the Deployment.
  "components/autoscale/kustomizeconfig.yaml" = {
    nameReference = [
      {
        kind = "Deployment";
        group = "apps";
        fieldSpecs = [
          {
            kind = "ScaledObject";
            group = "keda.sh";
            path = "spec/scaleTargetRef/name";
          }
        ];
      }
    ];
  };

  # Scales by our own lag metric. KEDA's Kafka trigger could not reach a broker, because KEDA's
  # operator does not have the host names that our pods get through hostAliases.
  "components/autoscale/scaledobject.yaml" = {
    apiVersion = "keda.sh/v1alpha1";
    kind = "ScaledObject";
    metadata = { inherit name; };
    spec = {
      scaleTargetRef.name = name;
      pollingInterval = 30;
      minReplicaCount = 2;
      maxReplicaCount = 4;
      # Without the metric it keeps the number of pods, and at least two.
      fallback = {
        failureThreshold = 3;
        replicas = 2;
        behavior = "currentReplicasIfHigher";
      };
      # Every change causes a rebalance: one pod at a time, and one less only after 15 quiet minutes.
      advanced.horizontalPodAutoscalerConfig.behavior = {
        scaleUp = {
          stabilizationWindowSeconds = 60;
          policies = [
            {
              type = "Pods";
              value = 1;
              periodSeconds = 120;
            }
          ];
        };
        scaleDown = {
          stabilizationWindowSeconds = 900;
          policies = [
            {
              type = "Pods";
              value = 1;
              periodSeconds = 300;
            }
          ];
        };
      };
      triggers = [
        {
          type = "prometheus";
          metadata = {
            # Placeholders: the cluster sets the server, the instance the query.
            serverAddress = "set-by-the-cluster";
            query = "set-by-the-instance";
            # Lag per pod, in records: what one pod reads in a few seconds.
            threshold = "50000";
            # A missing metric is an error, so that the fallback applies, and not a lag of zero.
            ignoreNullValues = "false";
          };
        }
      ];
    };
  };

  "components/monitoring/gke/kustomization.yaml" = component {
    resources = [
      "podmonitoring.yaml"
      "rules.yaml"
      "triggerauthentication.yaml"
    ];
  };

  "components/monitoring/gke/podmonitoring.yaml" = {
    apiVersion = "monitoring.googleapis.com/v1";
    kind = "PodMonitoring";
    metadata = { inherit name; };
    spec = {
      inherit selector;
      endpoints = [
        {
          port = "metrics";
          path = "/metrics";
          interval = "${toString scrape}s";
        }
      ];
      # The label that the Prometheus operator makes on EKS, so that one query works on both clouds.
      targetLabels.fromPod = [
        {
          from = "app.kubernetes.io/instance";
          to = "app_kubernetes_io_instance";
        }
      ];
    };
  };

  "components/monitoring/gke/rules.yaml" = {
    apiVersion = "monitoring.googleapis.com/v1";
    kind = "Rules";
    metadata = { inherit name; };
    spec.groups = map (group: group // { interval = "${toString scrape}s"; }) alerts.groups;
  };

  # KEDA's operator authenticates to Google's Prometheus with its own identity.
  "components/monitoring/gke/triggerauthentication.yaml" = {
    apiVersion = "keda.sh/v1alpha1";
    kind = "TriggerAuthentication";
    metadata.name = "prometheus";
    spec.podIdentity.provider = "gcp";
  };

  "components/monitoring/eks/kustomization.yaml" = component {
    resources = [
      "podmonitor.yaml"
      "prometheusrule.yaml"
    ];
  };

  "components/monitoring/eks/podmonitor.yaml" = {
    apiVersion = "monitoring.coreos.com/v1";
    kind = "PodMonitor";
    metadata = { inherit name; };
    spec = {
      inherit selector;
      podMetricsEndpoints = [
        {
          port = "metrics";
          path = "/metrics";
          interval = "${toString scrape}s";
        }
      ];
      podTargetLabels = [ "app.kubernetes.io/instance" ];
    };
  };

  "components/monitoring/eks/prometheusrule.yaml" = {
    apiVersion = "monitoring.coreos.com/v1";
    kind = "PrometheusRule";
    metadata = { inherit name; };
    spec.groups = alerts.groups;
  };

  # Grafana's sidecar for dashboards finds it by the label.
  "components/monitoring/grafana/kustomization.yaml" = component {
    configMapGenerator = [
      {
        name = "${name}-dashboard";
        files = [ "${name}.json" ];
        options = {
          disableNameSuffixHash = true;
          labels.grafana_dashboard = "1";
        };
      }
    ];
  };

  "components/monitoring/grafana/${name}.json" = import ./pretty.nix (import ./grafana gitops);
}
