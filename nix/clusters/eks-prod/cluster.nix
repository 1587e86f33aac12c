# The settings of the cluster eks-prod; docs/delivery.md explains every key.
{
  writeEnv = "prod";
  image = "444455556666.dkr.ecr.eu-west-1.amazonaws.com/consumers/generic-consumer";
  # The brokers' addresses as seen from AWS, through the interconnect.
  hosts = {
    prod1 = "10.110.0.11";
    prod2 = "10.110.0.12";
    prod3 = "10.110.0.13";
    uat = "10.120.0.11";
  };
  # Workload identity federation: Google exchanges the pod's token for one of this service account.
  credentials.externalAccount = {
    audience = "//iam.googleapis.com/projects/100000000001/locations/global/workloadIdentityPools/aws-eks/providers/eks-prod";
    serviceAccount = "generic-consumer@acme-data-prod.iam.gserviceaccount.com";
  };
  # What the pods are in AWS: they may read the bucket of infra/aws.
  awsRole = "arn:aws:iam::444455556666:role/generic-consumer-prod-eks-InstanceRole-EXAMPLE";
  prometheus = "http://prometheus-operated.monitoring.svc:9090";
  # From AWS the production brokers require authentication.
  env = {
    CONSUME__PROD__PROPERTIES__SECURITY_PROTOCOL = "sasl_ssl";
    CONSUME__PROD__PROPERTIES__SASL_MECHANISM = "SCRAM-SHA-512";
  };
  secretEnv = {
    CONSUME__PROD__PROPERTIES__SASL_USERNAME = "kafka-sasl/username";
    CONSUME__PROD__PROPERTIES__SASL_PASSWORD = "kafka-sasl/password";
  };
  externalSecrets.kafka-sasl = {
    store = "aws-secrets-manager";
    remoteKey = "generic-consumer/kafka-prod";
  };
  resources = {
    requests.cpu = "500m";
    requests.memory = "256Mi";
    limits.memory = "512Mi";
  };
}
