# The settings of the cluster gke-prod; docs/delivery.md explains every key.
{
  writeEnv = "prod";
  image = "europe-west1-docker.pkg.dev/acme-data-prod/consumers/generic-consumer";
  # The brokers' private addresses, as seen from this cluster's network.
  hosts = {
    prod1 = "10.10.0.11";
    prod2 = "10.10.0.12";
    prod3 = "10.10.0.13";
    uat = "10.20.0.11";
  };
  credentials.workloadIdentity = "generic-consumer@acme-data-prod.iam.gserviceaccount.com";
  prometheus = "https://monitoring.googleapis.com/v1/projects/acme-data-prod/location/global/prometheus";
  resources = {
    requests.cpu = "500m";
    requests.memory = "256Mi";
    limits.memory = "512Mi";
  };
}
