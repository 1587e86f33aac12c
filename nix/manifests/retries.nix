# Whether Kubernetes tries a Job's pod again.
{
  # A node that is drained or lost says nothing about the work. With these exit codes another attempt would
  # end the same (docs/reference/exit-codes.md); with the others it is made.
  policy =
    { container, final }:
    {
      rules = [
        {
          action = "Ignore";
          onPodConditions = [
            {
              type = "DisruptionTarget";
              status = "True";
            }
          ];
        }
        {
          action = "FailJob";
          onExitCodes = {
            containerName = container;
            operator = "In";
            values = final;
          };
        }
      ];
    };
}
