# The settings of the cluster eks-uat; docs/delivery.md explains every key.
{
  writeEnv = "uat";
  image = "777788889999.dkr.ecr.eu-west-1.amazonaws.com/consumers/generic-consumer";
  hosts = {
    prod1 = "10.110.0.11";
    prod2 = "10.110.0.12";
    prod3 = "10.110.0.13";
    uat = "10.120.0.11";
  };
  credentials.externalAccount = {
    audience = "//iam.googleapis.com/projects/100000000002/locations/global/workloadIdentityPools/aws-eks/providers/eks-uat";
    serviceAccount = "generic-consumer@acme-data-uat.iam.gserviceaccount.com";
  };
  # What the pods are in AWS: they may read the bucket of infra/aws.
  awsRole = "arn:aws:iam::777788889999:role/generic-consumer-uat-eks-InstanceRole-EXAMPLE";
  prometheus = "http://prometheus-operated.monitoring.svc:9090";
  resources = {
    requests.cpu = "250m";
    requests.memory = "256Mi";
    limits.memory = "512Mi";
  };
}
