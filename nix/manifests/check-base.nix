# The Job of base/check: ArgoCD runs it before it applies anything of an instance, and applies nothing
# if it fails. docs/delivery.md (Check) says why it is as it is.
{ name }:
let
  retries = import ./retries.nix;
  # Other labels than those of instances, whose Deployments, budgets and monitors select by them.
  labels."app.kubernetes.io/name" = "${name}-check";
  # What the Job needs has to be there before it, and is not what runs now: so it is a hook too, with a
  # name of its own, which each deployment creates anew.
  hook = {
    "argocd.argoproj.io/hook" = "PreSync";
    "argocd.argoproj.io/hook-delete-policy" = "BeforeHookCreation";
  };
  before = hook // {
    "argocd.argoproj.io/sync-wave" = "-1";
  };
in
{
  # Each instance adds its own: check-orders.
  name = "check";
  # Of the ConfigMaps.
  env = "check-env";
  credentials = "check-credentials";
  inherit labels before;
  # What a generator of a ConfigMap needs, for a name that stays.
  options = {
    disableNameSuffixHash = true;
    annotations = before;
  };

  job =
    { pod, container }:
    {
      apiVersion = "batch/v1";
      kind = "Job";
      metadata = {
        name = "check";
        annotations = hook;
      };
      spec = {
        # An outage ends with 1 too, so it is asked again; a change that nobody has accepted (2) and a
        # wrong command line (64) would end the same.
        backoffLimit = 2;
        podFailurePolicy = retries.policy {
          container = name;
          final = [
            2
            64
          ];
        };
        # One check takes less than 30 s; the rest is for a node, and for the service account and the
        # secrets of a cluster that is new.
        activeDeadlineSeconds = 300;
        template = {
          metadata = { inherit labels; };
          spec = pod // {
            restartPolicy = "Never";
            terminationGracePeriodSeconds = 10;
            containers = [
              (
                container
                // {
                  # The end of the report is the Job's message.
                  terminationMessagePolicy = "FallbackToLogsOnError";
                  volumeMounts = [
                    {
                      name = "env";
                      mountPath = "/etc/${name}";
                      readOnly = true;
                    }
                  ];
                }
              )
            ];
            volumes = [
              {
                name = "env";
                configMap.name = "check-env";
              }
            ];
          };
        };
      };
    };
}
