# What every pod and every container of ours may do: the least, as the namespace's restricted pod
# security asks.
{
  pod = {
    runAsNonRoot = true;
    runAsUser = 65532;
    runAsGroup = 65532;
    fsGroup = 65532;
    seccompProfile.type = "RuntimeDefault";
  };
  container = {
    allowPrivilegeEscalation = false;
    readOnlyRootFilesystem = true;
    capabilities.drop = [ "ALL" ];
  };
}
