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
  # The private zone googleapis.com leads to restricted.googleapis.com.
  googleApis = "restricted";
  # NodeLocal DNSCache.
  dnsAddresses = [ "169.254.20.10" ];
  prometheus = "https://monitoring.googleapis.com/v1/projects/acme-data-prod/location/global/prometheus";
  resources = {
    requests.cpu = "500m";
    requests.memory = "256Mi";
    limits.memory = "512Mi";
  };
}
