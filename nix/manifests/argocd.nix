# kustomize/argocd: the AppProject and the ApplicationSet, which makes one Application for each
# instance, one for each transfer and one for each cluster's shared objects.
{
  name,
  namespace,
  argocd,
  clusters,
}:
let
  metadata = {
    inherit name;
    inherit (argocd) namespace;
  };
  anyGroup = group: kinds: map (kind: { inherit group kind; }) kinds;
  folder = "kustomize/overlays/{{ .cluster }}";
in
{
  "argocd/kustomization.yaml" = {
    apiVersion = "kustomize.config.k8s.io/v1beta1";
    kind = "Kustomization";
    resources = [
      "appproject.yaml"
      "applicationset.yaml"
    ];
  };

  # The kinds of objects that these Applications may change, and where.
  "argocd/appproject.yaml" = {
    apiVersion = "argoproj.io/v1alpha1";
    kind = "AppProject";
    inherit metadata;
    spec = {
      description = "Kafka to BigQuery consumers";
      sourceRepos = [ argocd.repoURL ];
      destinations = map (cluster: {
        name = cluster;
        inherit namespace;
      }) clusters;
      clusterResourceWhitelist = anyGroup "" [ "Namespace" ];
      namespaceResourceWhitelist =
        anyGroup "" [
          "ConfigMap"
          "ServiceAccount"
        ]
        ++ anyGroup "apps" [ "Deployment" ]
        # Jobs: those that people make of a CronJob in ArgoCD (`create-job`).
        ++ anyGroup "batch" [
          "CronJob"
          "Job"
        ]
        ++ anyGroup "policy" [ "PodDisruptionBudget" ]
        ++ anyGroup "networking.k8s.io" [ "NetworkPolicy" ]
        ++ anyGroup "keda.sh" [
          "ScaledObject"
          "TriggerAuthentication"
        ]
        ++ anyGroup "external-secrets.io" [ "ExternalSecret" ]
        ++ anyGroup "policies.kyverno.io" [ "NamespacedImageValidatingPolicy" ]
        ++ anyGroup "monitoring.coreos.com" [
          "PodMonitor"
          "PrometheusRule"
        ]
        ++ anyGroup "monitoring.googleapis.com" [
          "PodMonitoring"
          "Rules"
        ];
    };
  };

  "argocd/applicationset.yaml" = {
    apiVersion = "argoproj.io/v1alpha1";
    kind = "ApplicationSet";
    inherit metadata;
    spec = {
      goTemplate = true;
      goTemplateOptions = [ "missingkey=error" ];
      generators = [
        {
          matrix.generators = [
            # Clusters are registered in ArgoCD under these names.
            { list.elements = map (cluster: { inherit cluster; }) clusters; }
            {
              git = {
                inherit (argocd) repoURL revision;
                directories = [
                  { path = "${folder}/shared"; }
                  { path = "${folder}/instances/*"; }
                  { path = "${folder}/transfers/*"; }
                ];
              };
            }
          ];
        }
      ];
      template = {
        metadata = {
          name = "{{ .cluster }}-{{ .path.basenameNormalized }}";
          labels = {
            "app.kubernetes.io/name" = name;
            "app.kubernetes.io/instance" = "{{ .path.basenameNormalized }}";
            cluster = "{{ .cluster }}";
          };
          # When an instance or a transfer is removed, ArgoCD deletes its objects.
          finalizers = [ "resources-finalizer.argocd.argoproj.io" ];
        };
        spec = {
          project = name;
          source = {
            inherit (argocd) repoURL;
            targetRevision = argocd.revision;
            path = "{{ .path.path }}";
          };
          destination = {
            name = "{{ .cluster }}";
            inherit namespace;
          };
          # The autoscaler sets the replicas.
          ignoreDifferences = [
            {
              group = "apps";
              kind = "Deployment";
              jsonPointers = [ "/spec/replicas" ];
            }
          ];
          syncPolicy = {
            automated = {
              prune = true;
              selfHeal = true;
            };
            syncOptions = [
              "ServerSideApply=true"
              "PruneLast=true"
              "RespectIgnoreDifferences=true"
              "ApplyOutOfSyncOnly=true"
              "CreateNamespace=true"
            ];
            retry = {
              limit = 5;
              backoff = {
                duration = "10s";
                factor = 2;
                maxDuration = "3m";
              };
            };
          };
        };
      };
    };
  };
}
