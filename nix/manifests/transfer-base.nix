# What all transfers share: their name and labels, and the CronJob of base/transfer.
# docs/adr/0029-transfers-on-kubernetes.md says why it is as it is.
{ name }:
let
  retries = import ./retries.nix;
  # Other labels than those of instances, whose Deployments, budgets and monitors select by them.
  labels."app.kubernetes.io/name" = "${name}-transfer";
  # Its files in the pod, laid out like this repository.
  folder = "/etc/${name}";
in
{
  # Each adds its own: transfer-orders.
  name = "transfer";
  inherit labels;

  cronJob =
    { pod, container }:
    {
      apiVersion = "batch/v1";
      kind = "CronJob";
      metadata.name = "transfer";
      spec = {
        # A placeholder: the transfer sets it.
        schedule = "0 0 1 1 *";
        # The next run begins when this one has ended; the lease in BigQuery would make it wait anyway.
        concurrencyPolicy = "Forbid";
        jobTemplate.spec = {
          # Wrong configuration or keys that are repeated, wrong arguments, another run, too many rejected
          # records. 3, which an outage has too, is tried again.
          podFailurePolicy = retries.policy {
            container = name;
            final = [
              1
              2
              6
              7
            ];
          };
          template = {
            metadata = { inherit labels; };
            spec = pod // {
              # Each attempt is a pod of its own, whose log stays.
              restartPolicy = "Never";
              # The program ends within 15 s.
              terminationGracePeriodSeconds = 30;
              containers = [
                (
                  container
                  // {
                    workingDir = folder;
                    env = [
                      {
                        name = "JOB_NAME";
                        valueFrom.fieldRef.fieldPath = "metadata.labels['batch.kubernetes.io/job-name']";
                      }
                    ];
                    volumeMounts = [
                      {
                        name = "files";
                        mountPath = folder;
                        readOnly = true;
                      }
                    ];
                  }
                )
              ];
              volumes = [
                {
                  name = "files";
                  configMap.name = "transfer-files";
                }
              ];
            };
          };
        };
      };
    };
}
