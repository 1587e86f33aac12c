# kustomize/base: the objects of every instance. base/check: what looks at an instance before it is
# deployed. base/transfer: the objects of every transfer. base/shared: those that all of a cluster share.
{ name, namespace, ... }:
let
  selector."app.kubernetes.io/name" = name;
  # The port in the default of METRICS_ADDR.
  port = 9464;
  security = import ./security.nix;
  transfer = import ./transfer-base.nix { inherit name; };
  check = import ./check-base.nix { inherit name; };

  # Of every pod.
  pod = {
    serviceAccountName = name;
    # The program does not use the Kubernetes API.
    automountServiceAccountToken = false;
    # The variables that Kubernetes sets for Services could collide with configuration keys.
    enableServiceLinks = false;
    securityContext = security.pod;
  };
  container = {
    inherit name;
    image = name;
    securityContext = security.container;
  };

  # Allows DNS at the cluster's own resolver only. The cluster's component adds the brokers and further
  # addresses of the resolver, the cloud's the scraper and the metadata server, and one of
  # components/googleapis BigQuery.
  networkPolicy = policy: labels: {
    apiVersion = "networking.k8s.io/v1";
    kind = "NetworkPolicy";
    metadata.name = policy;
    spec = {
      podSelector.matchLabels = labels;
      policyTypes = [
        "Ingress"
        "Egress"
      ];
      ingress = [ ];
      egress = [
        {
          to = [
            {
              namespaceSelector.matchLabels."kubernetes.io/metadata.name" = "kube-system";
              # CoreDNS has the label of its predecessor. GKE's Dataplane V2 sends queries to the pods
              # of NodeLocal DNSCache, where that is used.
              podSelector.matchExpressions = [
                {
                  key = "k8s-app";
                  operator = "In";
                  values = [
                    "kube-dns"
                    "node-local-dns"
                  ];
                }
              ];
            }
          ];
          ports = [
            {
              port = 53;
              protocol = "UDP";
            }
            {
              port = 53;
              protocol = "TCP";
            }
          ];
        }
      ];
    };
  };

  probe = path: {
    httpGet = {
      inherit path;
      port = "metrics";
    };
  };
in
{
  "base/kustomization.yaml" = {
    apiVersion = "kustomize.config.k8s.io/v1beta1";
    kind = "Kustomization";
    resources = [
      "deployment.yaml"
      "networkpolicy.yaml"
      "poddisruptionbudget.yaml"
    ];
    labels = [
      {
        pairs."app.kubernetes.io/name" = name;
        includeTemplates = true;
      }
    ];
  };

  # It has no `replicas`: the autoscaler sets them.
  "base/deployment.yaml" = {
    apiVersion = "apps/v1";
    kind = "Deployment";
    metadata = { inherit name; };
    spec = {
      revisionHistoryLimit = 5;
      # In a rollout a new pod joins the group, and stays ready for this long, before an old one stops.
      minReadySeconds = 10;
      progressDeadlineSeconds = 600;
      strategy = {
        type = "RollingUpdate";
        rollingUpdate = {
          maxSurge = 1;
          maxUnavailable = 0;
        };
      };
      selector.matchLabels = selector;
      template = {
        metadata.labels = selector;
        spec = pod // {
          # DRAIN_SECONDS is at most 25; the rest is for a slow BigQuery and for leaving the group.
          terminationGracePeriodSeconds = 90;
          # At least two zones, counted for each revision, so that a rollout is spread as well.
          topologySpreadConstraints = [
            {
              maxSkew = 1;
              minDomains = 2;
              topologyKey = "topology.kubernetes.io/zone";
              whenUnsatisfiable = "DoNotSchedule";
              labelSelector.matchLabels = selector;
              matchLabelKeys = [ "pod-template-hash" ];
            }
          ];
          containers = [
            (
              container
              // {
                ports = [
                  {
                    name = "metrics";
                    containerPort = port;
                  }
                ];
                # Two minutes to start. After that the program decides: /livez fails when there is work
                # and nothing has progressed for ten minutes.
                startupProbe = probe "/livez" // {
                  periodSeconds = 2;
                  failureThreshold = 60;
                };
                livenessProbe = probe "/livez" // {
                  periodSeconds = 10;
                  timeoutSeconds = 5;
                  failureThreshold = 6;
                };
                readinessProbe = probe "/readyz" // {
                  periodSeconds = 5;
                  timeoutSeconds = 5;
                };
                volumeMounts = [
                  {
                    name = "env";
                    mountPath = "/etc/generic-consumer";
                    readOnly = true;
                  }
                ];
              }
            )
          ];
          volumes = [
            {
              name = "env";
              configMap.name = "${name}-env";
            }
          ];
        };
      };
    };
  };

  "base/poddisruptionbudget.yaml" = {
    apiVersion = "policy/v1";
    kind = "PodDisruptionBudget";
    metadata = { inherit name; };
    spec = {
      maxUnavailable = 1;
      # A pod that is not ready does not block the draining of its node.
      unhealthyPodEvictionPolicy = "AlwaysAllow";
      selector.matchLabels = selector;
    };
  };

  "base/networkpolicy.yaml" = networkPolicy name selector;

  "base/check/kustomization.yaml" = {
    apiVersion = "kustomize.config.k8s.io/v1beta1";
    kind = "Kustomization";
    resources = [
      "job.yaml"
      "networkpolicy.yaml"
    ];
    labels = [
      {
        pairs = check.labels;
        includeTemplates = true;
      }
    ];
  };
  "base/check/job.yaml" = check.job { inherit pod container; };
  # A hook like the Job, so that it lets through what the new instance needs.
  "base/check/networkpolicy.yaml" =
    let
      policy = networkPolicy check.name check.labels;
    in
    policy
    // {
      metadata = policy.metadata // {
        annotations = check.before;
      };
    };

  "base/transfer/kustomization.yaml" = {
    apiVersion = "kustomize.config.k8s.io/v1beta1";
    kind = "Kustomization";
    resources = [
      "cronjob.yaml"
      "networkpolicy.yaml"
    ];
    labels = [
      {
        pairs = transfer.labels;
        includeTemplates = true;
      }
    ];
  };
  "base/transfer/cronjob.yaml" = transfer.cronJob { inherit pod container; };
  "base/transfer/networkpolicy.yaml" = networkPolicy transfer.name transfer.labels;

  "base/shared/kustomization.yaml" = {
    apiVersion = "kustomize.config.k8s.io/v1beta1";
    kind = "Kustomization";
    resources = [
      "namespace.yaml"
      "serviceaccount.yaml"
    ];
    labels = [ { pairs."app.kubernetes.io/name" = name; } ];
  };

  "base/shared/namespace.yaml" = {
    apiVersion = "v1";
    kind = "Namespace";
    metadata = {
      name = namespace;
      labels = {
        "pod-security.kubernetes.io/enforce" = "restricted";
        "pod-security.kubernetes.io/warn" = "restricted";
      };
      # Deleting the namespace would delete everything in it.
      annotations."argocd.argoproj.io/sync-options" = "Prune=false,Delete=false";
    };
  };

  # One for the whole cluster, because each needs an IAM binding.
  "base/shared/serviceaccount.yaml" = {
    apiVersion = "v1";
    kind = "ServiceAccount";
    metadata = { inherit name; };
    automountServiceAccountToken = false;
  };
}
