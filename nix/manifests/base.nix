# kustomize/base: what every instance is made of, and base/shared: what a cluster's instances share.
{ name, namespace, ... }:
let
  selector."app.kubernetes.io/name" = name;
  # METRICS_ADDR's default; docs/reference/metrics.md
  port = 9464;
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

  # No replicas: the autoscaler owns them.
  "base/deployment.yaml" = {
    apiVersion = "apps/v1";
    kind = "Deployment";
    metadata = { inherit name; };
    spec = {
      revisionHistoryLimit = 5;
      # A new pod joins the group before an old one leaves it, and has to stay ready that long.
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
        spec = {
          serviceAccountName = name;
          # Kubernetes' own API is none of its business.
          automountServiceAccountToken = false;
          # Variables of Services could collide with keys.
          enableServiceLinks = false;
          # DRAIN_SECONDS is 25 at most; the rest is for a slow BigQuery and the group's goodbye.
          terminationGracePeriodSeconds = 90;
          securityContext = {
            runAsNonRoot = true;
            runAsUser = 65532;
            runAsGroup = 65532;
            fsGroup = 65532;
            seccompProfile.type = "RuntimeDefault";
          };
          # Two zones at least, counted for each revision, so that a rollout spreads too.
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
            {
              inherit name;
              image = name;
              ports = [
                {
                  name = "metrics";
                  containerPort = port;
                }
              ];
              securityContext = {
                allowPrivilegeEscalation = false;
                readOnlyRootFilesystem = true;
                capabilities.drop = [ "ALL" ];
              };
              # Two minutes to start; after that liveness fails only when nothing moves for ten
              # minutes although there is work, which the program itself decides.
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
      # A pod that cannot become ready does not hold up a node's drain.
      unhealthyPodEvictionPolicy = "AlwaysAllow";
      selector.matchLabels = selector;
    };
  };

  # Closed but for names and Google's APIs; the cluster adds its brokers, the cloud its own.
  "base/networkpolicy.yaml" = {
    apiVersion = "networking.k8s.io/v1";
    kind = "NetworkPolicy";
    metadata = { inherit name; };
    spec = {
      podSelector.matchLabels = selector;
      policyTypes = [
        "Ingress"
        "Egress"
      ];
      ingress = [ ];
      egress = [
        {
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
        {
          # Google's APIs have no fixed addresses; the link-local ones are nodes' metadata.
          to = [
            {
              ipBlock = {
                cidr = "0.0.0.0/0";
                except = [ "169.254.0.0/16" ];
              };
            }
          ];
          ports = [
            {
              port = 443;
              protocol = "TCP";
            }
          ];
        }
      ];
    };
  };

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
      # With the namespace everything in it would go.
      annotations."argocd.argoproj.io/sync-options" = "Prune=false,Delete=false";
    };
  };

  # One a cluster: an IAM binding follows each.
  "base/shared/serviceaccount.yaml" = {
    apiVersion = "v1";
    kind = "ServiceAccount";
    metadata = { inherit name; };
    automountServiceAccountToken = false;
  };
}
