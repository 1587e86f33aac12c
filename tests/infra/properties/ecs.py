"""The service, its tasks, their health, the load balancer."""

import json
import re

import yaml
from templates import ROOT, Refused, Stacks, listed

from .complaint import tags, unless
from .network import doors

BASE = ROOT / "kustomize/base"


def deployment():
    with (BASE / "deployment.yaml").open() as file:
        return yaml.safe_load(file)["spec"]["template"]["spec"]


def containers(stacks):
    return {c["Name"]: c for c in stacks.ecs.properties("TaskDefinition")["ContainerDefinitions"]}


def service(stacks):
    properties = stacks.ecs.properties("Service")
    rollout = properties.get("DeploymentConfiguration", {})
    yield from unless((rollout.get("MinimumHealthyPercent"), rollout.get("MaximumPercent")) == (100, 200), "a rollout stops old tasks first")
    yield from unless(rollout.get("DeploymentCircuitBreaker") == {"Enable": True, "Rollback": True}, "a rollout that fails goes on")
    yield from unless(properties["DesiredCount"] == 2, "it does not start with two tasks")
    for wrong in (1, 5):
        try:
            Stacks(stacks.templates, ecs={"DesiredCount": wrong})
            yield f"DesiredCount={wrong} is accepted"
        except Refused:
            pass
    target = stacks.ecs.properties("ScalableTarget")
    yield from unless((target["MinCapacity"], target["MaxCapacity"]) == (2, 4), "the autoscaler does not stay between two and four")
    yield from unless(target["ResourceId"] == "service/{Cluster}/{Service.Name}", "the autoscaler scales something else")
    yield from unless(stacks.ecs.properties("ScalingPolicy")["ScalingTargetId"] == "{ScalableTarget}", "nothing scales the service")
    yield from unless(properties["CapacityProviderStrategy"] == [{"CapacityProvider": "FARGATE", "Weight": 1}], "tasks may share a machine, or be taken away")
    yield from unless(properties.get("EnableExecuteCommand") is False, "people may run commands in tasks")


def task(stacks):
    definition = stacks.ecs.properties("TaskDefinition")
    pod = deployment()
    yield from unless(definition["NetworkMode"] == "awsvpc" and definition["RequiresCompatibilities"] == ["FARGATE"], "not a task of Fargate")
    yield from unless(definition["TaskRoleArn"] == "{TaskRole.Arn}" and definition["ExecutionRoleArn"] == "{ExecutionRole.Arn}", "the task has other roles")
    every = containers(stacks)
    for name, container in every.items():
        yield from unless(container.get("ReadonlyRootFilesystem") is True, f"{name} may write to its root file system")
        yield from unless(container.get("LinuxParameters", {}).get("Capabilities") == {"Drop": ["ALL"]}, f"{name} has capabilities")
        yield from unless(container.get("LogConfiguration", {}).get("Options", {}).get("awslogs-group") == "{LogGroup}", f"{name}'s log is lost")
        yield from unless(container["LogConfiguration"]["Options"].get("mode") == "non-blocking", f"{name} stops when CloudWatch does not take its log")
        yield from unless("@sha256:" in container["Image"], f"{name}'s image is not given by digest")
        yield from unless(not container.get("Privileged"), f"{name} is privileged")
        user = f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
        if name == "credentials":
            # It writes to a volume that belongs to root, and has ended before the program starts.
            yield from unless(container.get("Essential") is False, "credentials is not expected to end")
        else:
            yield from unless(container.get("User") == user, f"{name} does not run as {user}")
    consumer = every["generic-consumer"]
    yield from unless(consumer["Image"] == stacks.ecs.parameters["Image"], "it runs another image")
    yield from unless(consumer["Command"] == ["run", stacks.ecs.parameters["Domain"]], "it runs another domain")
    yield from unless(consumer.get("StopTimeout") == pod["terminationGracePeriodSeconds"] and 30 <= consumer["StopTimeout"] <= 120, "a task has no time to write what it has read")
    mounts = consumer.get("MountPoints", [])
    yield from unless(all(mount["ReadOnly"] is True for mount in mounts), "the program may change its credentials")
    variables = {v["Name"]: v["Value"] for v in consumer["Environment"]}
    yield from unless(variables.get("GOOGLE_APPLICATION_CREDENTIALS") == f"{mounts[0]['ContainerPath']}/credentials.json", "the credentials are elsewhere")
    yield from unless(variables.get("WRITE_ENV") == stacks.ecs.parameters["Environment"], "it writes to another environment")
    yield from unless(consumer.get("DependsOn") == [{"ContainerName": "credentials", "Condition": "SUCCESS"}], "the program starts before its credentials are there")
    file = f"arn:aws:s3:::{stacks.ecs.parameters['BucketName']}/{stacks.ecs.parameters['ConfigurationKey']}"
    yield from unless(consumer.get("EnvironmentFiles") == [{"Type": "s3", "Value": file}], "the configuration does not come from the bucket")
    for name, wrong in (("Image", "111122223333.dkr.ecr.eu-west-1.amazonaws.com/a:latest"), ("ProbeImage", "public.ecr.aws/docker/library/busybox:1.37"), ("ConfigurationKey", "config/returns/latest.env")):
        try:
            Stacks(stacks.templates, ecs={name: wrong})
            yield f"{name}={wrong} is accepted"
        except Refused:
            pass


def secrets(stacks):
    every = containers(stacks)
    for name, container in every.items():
        for variable in container.get("Environment", []):
            yield from unless(not re.search("PASSWORD|KEY|SECRET|TOKEN", variable["Name"]), f"{name} has {variable['Name']} in its definition")
        for secret in container.get("Secrets", []):
            yield from unless(secret["ValueFrom"].startswith("arn:aws:secretsmanager:"), f"{name}: {secret['Name']} does not come from Secrets Manager")
    (key,) = every["credentials"].get("Secrets") or [{}]
    yield from unless(key.get("ValueFrom") == stacks.ecs.parameters["GoogleKeySecretArn"], "the Google key does not come from Secrets Manager")
    given = stacks.ecs.parameters["KafkaSecretArn"]
    names = [s["Name"] for s in every["generic-consumer"].get("Secrets", [])]
    wanted = ["CONSUME__UAT__PROPERTIES__SASL_USERNAME", "CONSUME__UAT__PROPERTIES__SASL_PASSWORD"] if given else []
    yield from unless(names == wanted, f"the secrets of Kafka: {names}")
    readable = [r for w, k, s in stacks.statements() if w == "ecs.ExecutionRole" and "secretsmanager:GetSecretValue" in listed(s["Action"]) for r in listed(s["Resource"])]
    yield from unless(readable == [stacks.ecs.parameters["GoogleKeySecretArn"], *([given] if given else [])], f"ECS may read the secrets {readable}")


def health(stacks):
    """ECS has a health check, and it is not in the container whose image has no shell."""
    every = containers(stacks)
    with_check = [name for name, container in every.items() if "HealthCheck" in container]
    yield from unless(with_check == ["probe"], f"health checks in {with_check}")
    probe = every["probe"]
    check = probe.get("HealthCheck", {"Command": [], "Retries": 0, "Interval": 0})
    port = deployment()["containers"][0]["ports"][0]["containerPort"]
    yield from unless(probe.get("Essential") is True, "a health check in a container that is not essential counts for nothing")
    yield from unless(f"127.0.0.1:{port}/livez" in " ".join(check["Command"]), "it does not ask /livez")
    yield from unless(f"127.0.0.1:{port}/readyz" in " ".join(probe["Command"]), "a rollout does not wait for /readyz")
    yield from unless(probe.get("DependsOn") == [{"ContainerName": "generic-consumer", "Condition": "START"}], "the probe is stopped after the instance, and finds it dead")
    yield from unless(check["Retries"] * check["Interval"] >= 60 and check.get("StartPeriod", 0) >= 120, "Kubernetes gives it more time")


def load_balancer(stacks):
    balancers = stacks.ecs.of_type("AWS::ElasticLoadBalancingV2::LoadBalancer")
    properties = stacks.ecs.properties("Service")
    if stacks.ecs.parameters["EventApi"] != "true":
        parts = [name for name, r in stacks.ecs.resources.items() if r["Type"].startswith("AWS::ElasticLoadBalancing")]
        yield from unless(not parts, f"a consumer has a load balancer: {parts}")
        yield from unless("LoadBalancers" not in properties, "a consumer is behind a load balancer")
        yield from unless(not [where for where, _ in doors(stacks) if where.startswith("ecs.")], "somebody may connect to a consumer")
        yield from unless("PortMappings" not in containers(stacks)["generic-consumer"], "a consumer has a port")
        return
    yield from unless(len(balancers) == 1 and len(properties.get("LoadBalancers", [])) == 1, "the event API has no load balancer")
    (balancer,) = balancers.values()
    public = stacks.ecs.parameters["ApiScheme"] == "internet-facing"
    wanted = re.findall(r"\{\w+\}", stacks.base.outputs["PublicSubnetIds" if public else "PrivateSubnetIds"])
    yield from unless(balancer["Properties"]["Subnets"] == wanted, "the load balancer is in the wrong subnets")
    attributes = tags(balancer["Properties"].get("LoadBalancerAttributes"))
    yield from unless(attributes.get("deletion_protection.enabled") == "true", "the load balancer can be deleted by mistake")
    yield from unless(attributes.get("routing.http.drop_invalid_header_fields.enabled") == "true", "the load balancer lets invalid headers through")
    for name, listener in stacks.ecs.of_type("AWS::ElasticLoadBalancingV2::Listener").items():
        yield from unless(listener["Properties"]["Protocol"] == "HTTPS" and "TLS13" in listener["Properties"].get("SslPolicy", ""), f"{name} is not HTTPS")
        yield from unless(listener["Properties"].get("Certificates") == [{"CertificateArn": stacks.ecs.parameters["CertificateArn"]}], f"{name} has another certificate")
    # Tasks are reached through the load balancer alone.
    for where, rule in doors(stacks):
        if where.startswith("ecs.") and where != "ecs.ApiSecurityGroup":
            yield from unless(rule.get("SourceSecurityGroupId") == "{ApiSecurityGroup}", f"{where} goes round the load balancer")
    yield from unless("ApiListener" in json.dumps(stacks.ecs.resources["Service"].get("Metadata", {})), "the service may be created before the listener")
    try:
        Stacks(stacks.templates, ecs={"EventApi": "true", "CertificateArn": ""})
        yield "an event API without a certificate is accepted"
    except Refused:
        pass
