# The settings of the cluster gke-uat; docs/delivery.md explains every key.
{
  writeEnv = "uat";
  image = "europe-west1-docker.pkg.dev/acme-data-uat/consumers/generic-consumer";
  hosts = {
    prod1 = "10.10.0.11";
    prod2 = "10.10.0.12";
    prod3 = "10.10.0.13";
    uat = "10.20.0.11";
  };
  credentials.workloadIdentity = "generic-consumer@acme-data-uat.iam.gserviceaccount.com";
  # The private zone googleapis.com leads to restricted.googleapis.com.
  googleApis = "restricted";
  # NodeLocal DNSCache.
  dnsAddresses = [ "169.254.20.10" ];
  prometheus = "https://monitoring.googleapis.com/v1/projects/acme-data-uat/location/global/prometheus";
  # The shop's database, for transfers: they reach it through the SQL proxy, which logs in as the pods'
  # Google account. The digest is a placeholder.
  sqlProxy = "gcr.io/cloud-sql-connectors/cloud-sql-proxy@sha256:0000000000000000000000000000000000000000000000000000000000000000";
  env = {
    WRITE__SHOP__POSTGRES__URL = "postgres://localhost/shop";
    WRITE__SHOP__POSTGRES__USER = "generic-consumer@acme-data-uat.iam";
  };
  resources = {
    requests.cpu = "250m";
    requests.memory = "256Mi";
    limits.memory = "512Mi";
  };
}
