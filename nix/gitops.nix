# What is the same for every cluster: names, where ArgoCD finds this repository, and what an image's
# provenance has to say.
{
  name = "generic-consumer";
  namespace = "generic-consumer";
  # Where people on call read docs/runbook.md: alerts and dashboard link to it.
  runbook = "https://git.example.com/data/generic-consumer/blob/main/docs/runbook.md";
  argocd = {
    namespace = "argocd";
    repoURL = "https://git.example.com/data/generic-consumer.git";
    revision = "main";
  };
  # The job that builds images, as the build's own address names it (BUILD_URL), and the repository that
  # it builds from.
  provenance = {
    builder = "https://jenkins.example.com/job/generic-consumer/job/image/";
    repository = "https://git.example.com/data/generic-consumer.git";
  };
}
