# What is the same for every cluster: names, and where ArgoCD finds this repository.
{
  name = "generic-consumer";
  namespace = "generic-consumer";
  argocd = {
    namespace = "argocd";
    repoURL = "https://git.example.com/data/generic-consumer.git";
    revision = "main";
  };
}
