"""What the templates have to be. Each function yields a sentence for every place where they are not;
test_templates.py runs them on the templates, and on templates that were broken on purpose."""

import json
import re
import sys

import cfnlint.schema.manager
import yaml

from templates import ISSUER, NAMES, ROOT, Refused, Stacks, listed

MANAGER = cfnlint.schema.manager.PROVIDER_SCHEMA_MANAGER
BASE = ROOT / "kustomize/base"
# Actions for which AWS knows no narrower resource than "*".
WITHOUT_RESOURCE = {
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeAutoScalingInstances",
    "autoscaling:DescribeLaunchConfigurations",
    "autoscaling:DescribeScalingActivities",
    "autoscaling:DescribeTags",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeLaunchTemplateVersions",
    "ec2:GetInstanceTypesFromInstanceRequirements",
    "ecr:GetAuthorizationToken",
}
# Role -> the service account that may assume it.
SERVICE_ACCOUNTS = {
    "eks.AutoscalerRole": "kube-system:cluster-autoscaler",
    "eks.ExternalSecretsRole": "external-secrets:external-secrets",
    "eks.InstanceRole": "generic-consumer:generic-consumer",
    "eks.NetworkRole": "kube-system:aws-node",
}
# Role -> the service that may assume it.
SERVICES = {
    "base.FlowLogRole": "vpc-flow-logs.amazonaws.com",
    "ecs.ExecutionRole": "ecs-tasks.amazonaws.com",
    "ecs.TaskRole": "ecs-tasks.amazonaws.com",
    "eks.ClusterRole": "eks.amazonaws.com",
    "eks.NodeRole": "ec2.amazonaws.com",
}
MANAGED = {
    "eks.ClusterRole": ["AmazonEKSClusterPolicy"],
    "eks.NetworkRole": ["AmazonEKS_CNI_Policy"],
    "eks.NodeRole": ["AmazonEC2ContainerRegistryPullOnly", "AmazonEKSWorkerNodePolicy"],
}
# Types whose removal would lose data: images, objects, logs, and what they are encrypted with.
DATA = ("AWS::ECR::Repository", "AWS::KMS::Key", "AWS::Logs::LogGroup", "AWS::S3::Bucket", "AWS::S3::BucketPolicy")


# The lines of this file that have complained, for the test that every line can.
complained = set()


def unless(condition, sentence):
    if not condition:
        complained.add(sys._getframe(1).f_lineno)
        yield sentence


def tags(value):
    return value if isinstance(value, dict) else {tag["Key"]: tag["Value"] for tag in value or []}


# ---- Network


def private_subnets(stacks):
    return re.findall(r"\{\w+\}", stacks.base.outputs["PrivateSubnetIds"])


def routes(stack, subnet):
    """The default route of a subnet."""
    tables = [a["Properties"]["RouteTableId"] for a in stack.of_type("AWS::EC2::SubnetRouteTableAssociation").values() if a["Properties"]["SubnetId"] == subnet]
    assert len(tables) == 1, f"{subnet} has {len(tables)} route tables"
    found = [r["Properties"] for r in stack.of_type("AWS::EC2::Route").values() if r["Properties"]["RouteTableId"] == tables[0]]
    return {key: value for route in found for key, value in route.items() if key.endswith("GatewayId")}


def zone(stack, subnet):
    return stack.properties(subnet.strip("{}"))["AvailabilityZone"]


def two_zones(stacks):
    for kind in ("PrivateSubnetIds", "PublicSubnetIds"):
        subnets = re.findall(r"\{\w+\}", stacks.base.outputs[kind])
        yield from unless(len({zone(stacks.base, s) for s in subnets}) == 2, f"{kind} are not in two zones")
    yield from unless(stacks.eks.properties("Cluster")["ResourcesVpcConfig"]["SubnetIds"] == private_subnets(stacks), "the control plane is not in the private subnets")
    yield from unless(stacks.eks.properties("Nodes")["Subnets"] == private_subnets(stacks), "the nodes are not in both private subnets")
    service = stacks.ecs.properties("Service")
    yield from unless(service["NetworkConfiguration"]["AwsvpcConfiguration"]["Subnets"] == private_subnets(stacks), "the tasks are not in both private subnets")
    yield from unless(service.get("AvailabilityZoneRebalancing") == "ENABLED", "the tasks are not evened out over the zones")


def nothing_is_public(stacks):
    for subnet in private_subnets(stacks):
        yield from unless(list(routes(stacks.base, subnet)) == ["NatGatewayId"], f"{subnet} is not behind a NAT gateway")
    for name, subnet in stacks.base.of_type("AWS::EC2::Subnet").items():
        yield from unless(subnet["Properties"].get("MapPublicIpOnLaunch") is False, f"{name} gives out public addresses")
    network = stacks.ecs.properties("Service")["NetworkConfiguration"]["AwsvpcConfiguration"]
    yield from unless(network.get("AssignPublicIp") == "DISABLED", "tasks get public addresses")
    data = stacks.eks.properties("NodeTemplate")["LaunchTemplateData"]
    yield from unless("NetworkInterfaces" not in data, "the launch template has network interfaces of its own, which may be public")


def nat_gateways(stacks):
    """With one for each zone, a zone's way out does not lead through the other."""
    gateways = stacks.base.of_type("AWS::EC2::NatGateway")
    yield from unless(len(gateways) == (2 if stacks.base.parameters["NatPerZone"] == "true" else 1), f"{len(gateways)} NAT gateways")
    for subnet in private_subnets(stacks):
        (gateway,) = routes(stacks.base, subnet).values()
        subnet_of_gateway = stacks.base.properties(gateway.strip("{}"))["SubnetId"]
        yield from unless("InternetGateway" in str(routes(stacks.base, subnet_of_gateway)), f"{gateway} is in a subnet without a way to the internet")
        if len(gateways) == 2:
            yield from unless(zone(stacks.base, subnet) == zone(stacks.base, subnet_of_gateway), f"{subnet} goes out through the other zone")


def doors(stacks):
    """Who may connect from outside: (where, rule)."""
    for where, resource in stacks.resources("AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupIngress"):
        properties = resource["Properties"]
        for rule in properties.get("SecurityGroupIngress", []) if resource["Type"] == "AWS::EC2::SecurityGroup" else [properties]:
            yield where, rule


def closed_doors(stacks):
    for where, rule in doors(stacks):
        yield from unless(not rule.get("CidrIp", "").endswith("/0"), f"{where} is open to everybody")
        yield from unless(rule.get("FromPort") == rule.get("ToPort") and rule.get("IpProtocol") == "tcp", f"{where} opens more than one port")
    group = stacks.ecs.properties("TaskSecurityGroup")
    yield from unless("SecurityGroupIngress" not in group, "everybody named in it reaches the tasks")
    for rule in group.get("SecurityGroupEgress", []):
        yield from unless(rule["IpProtocol"] == "tcp" and rule["FromPort"] == rule["ToPort"], "tasks may connect to any port")
        yield from unless(rule["FromPort"] == 443 or not rule["CidrIp"].endswith("/0"), f"tasks reach the port {rule['FromPort']} anywhere")
    yield from unless(group.get("SecurityGroupEgress"), "without rules of its own a security group lets everything out")


# ---- Identities


def no_wildcard_actions(stacks):
    for where, kind, statement in stacks.statements():
        if statement["Effect"] == "Allow":
            yield from unless("NotAction" not in statement, f"{where} allows all actions but some")
            for action in listed(statement.get("Action")):
                yield from unless("*" not in action, f"{where} ({kind}) allows {action}")


def scoped_resources(stacks):
    for where, kind, statement in stacks.statements():
        if statement["Effect"] != "Allow" or kind in ("trust", "key"):
            continue  # a key's policy is about that key alone; a trust policy has no resource
        yield from unless("NotResource" not in statement, f"{where} allows all resources but some")
        for resource in listed(statement.get("Resource")):
            if resource == "*":
                for action in listed(statement["Action"]):
                    yield from unless(action in WITHOUT_RESOURCE, f"{where} allows {action} on everything")
            elif resource.endswith("*"):
                prefix = resource.rstrip("*")
                yield from unless(re.match(r"arn:aws:(s3:::[^/*]+/[^/*]+/|[a-z0-9]+:[^:*]*:[0-9]{12}:[^:*]+[:/])", prefix), f"{where} allows the resources {resource}")
            else:
                yield from unless("*" not in resource, f"{where} allows the resources {resource}")


def writes(action):
    return not re.match(r"\w[\w-]*:(Get|List|Describe|BatchGet|BatchCheck|Decrypt)", action)


def least_privilege(stacks):
    """What each role may do, as (actions, resources), where more would be harmful."""
    allowed = {}
    for where, kind, statement in stacks.statements():
        if kind == "identity":
            allowed.setdefault(where, []).append(statement)
    for where in ("eks.InstanceRole", "ecs.TaskRole"):
        for statement in allowed[where]:
            for action in listed(statement["Action"]):
                yield from unless(not writes(action), f"{where} may do more than read: {action}")
                yield from unless(action.split(":")[0] in ("s3", "kms"), f"{where} may {action}")
            for resource in listed(statement["Resource"]):
                yield from unless(resource.startswith("arn:aws:s3:::a-bucket") or resource == "arn:aws:kms:eu-west-1:111122223333:key/a-key", f"{where} reaches {resource}")
    for where, statement in ((w, s) for w, all_of_it in allowed.items() for s in all_of_it):
        if "kms:Decrypt" in listed(statement["Action"]) and where != "eks.ClusterRole":
            via = statement.get("Condition", {}).get("StringEquals", {}).get("kms:ViaService")
            yield from unless(via == "s3.eu-west-1.amazonaws.com", f"{where} may decrypt anything with the key")
        if "s3:ListBucket" in listed(statement["Action"]):
            yield from unless(statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix"), f"{where} may list the whole bucket")
    for statement in allowed["eks.ExternalSecretsRole"]:
        for action in listed(statement["Action"]):
            yield from unless(not writes(action), f"External Secrets may {action}")
        for resource in listed(statement["Resource"]):
            yield from unless(resource.endswith(":secret:generic-consumer/*"), f"External Secrets may read {resource}")
    for statement in allowed["eks.AutoscalerRole"]:
        if any(map(writes, listed(statement["Action"]))):
            tag = statement.get("Condition", {}).get("StringEquals", {}).get("aws:ResourceTag/eks:cluster-name")
            yield from unless(tag == "eks-uat", "the autoscaler may change other groups than the cluster's")
    if "base.PushRole" in allowed:
        for statement in allowed["base.PushRole"]:
            for action in listed(statement["Action"]):
                yield from unless(action.startswith("ecr:") and not re.search("Delete|Policy|Tag", action), f"Jenkins may {action}")
                yield from unless(action == "ecr:GetAuthorizationToken" or statement["Resource"] == "{Repository.Arn}", f"Jenkins may {action} elsewhere")
    for statement in allowed["ecs.ExecutionRole"]:
        for action in listed(statement["Action"]):
            yield from unless(not writes(action) or action in ("logs:CreateLogStream", "logs:PutLogEvents"), f"ECS may {action} to start a task")


def trust(stacks):
    """Who may assume a role: one service account, one service or the account's Jenkins."""
    seen = set()
    for where, kind, statement in stacks.statements():
        if kind != "trust":
            continue
        seen.add(where)
        principal, condition = statement["Principal"], statement.get("Condition", {})
        if where in SERVICE_ACCOUNTS:
            yield from unless(statement["Action"] == "sts:AssumeRoleWithWebIdentity", f"{where}: {statement['Action']}")
            yield from unless(principal == {"Federated": "{IdentityProvider}"}, f"{where} trusts {principal}")
            wanted = {f"{ISSUER}:aud": "sts.amazonaws.com", f"{ISSUER}:sub": f"system:serviceaccount:{SERVICE_ACCOUNTS[where]}"}
            yield from unless(condition == {"StringEquals": wanted}, f"{where} is not for its service account alone: {condition}")
        elif where in SERVICES:
            yield from unless(principal == {"Service": SERVICES[where]}, f"{where} trusts {principal}")
        else:
            yield from unless(where == "base.PushRole" and principal == {"AWS": stacks.base.parameters["PusherArn"]}, f"{where} trusts {principal}")
        if where in ("base.FlowLogRole", "ecs.TaskRole"):
            yield from unless(condition.get("StringEquals", {}).get("aws:SourceAccount") == "111122223333", f"{where}: the service may act for another account")
            yield from unless("aws:SourceArn" in condition.get("ArnLike", {}), f"{where}: the service may act for any resource")
    roles = {where for where, _ in stacks.resources("AWS::IAM::Role")}
    yield from unless(seen == roles, f"roles without a trust policy: {roles - seen}")
    yield from unless({*SERVICE_ACCOUNTS, *SERVICES} <= roles, f"missing roles: {({*SERVICE_ACCOUNTS, *SERVICES}) - roles}")


def no_other_principals(stacks):
    for where, kind, statement in stacks.statements():
        if statement["Effect"] == "Allow":
            yield from unless(statement.get("Principal") != "*" and "*" not in json.dumps(statement.get("Principal", {})), f"{where} ({kind}) is for everybody")
    for where, resource in stacks.resources("AWS::IAM::Role"):
        names = sorted(arn.split(":policy/")[1] for arn in resource["Properties"].get("ManagedPolicyArns", []))
        yield from unless(names == MANAGED.get(where, []), f"{where} has the policies {names}")


def identity_provider(stacks):
    provider = stacks.eks.properties("IdentityProvider")
    yield from unless(provider.get("Url") == f"https://{ISSUER}", "the identity provider is not the cluster's issuer")
    yield from unless(provider.get("ClientIdList") == ["sts.amazonaws.com"], "the identity provider takes tokens for others than STS")
    yield from unless("ThumbprintList" not in provider, "a thumbprint is given, which has to be renewed by hand")


# ---- Data


def encryption(stacks):
    (rule,) = stacks.base.properties("Bucket")["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    yield from unless(rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "{Key.Arn}"}, "the bucket is not encrypted with the key")
    registry = stacks.base.properties("Repository").get("EncryptionConfiguration")
    yield from unless(registry == {"EncryptionType": "KMS", "KmsKey": "{Key.Arn}"}, "the registry is not encrypted with the key")
    yield from unless(stacks.base.properties("Key").get("EnableKeyRotation") is True, "the key does not rotate")
    key = stacks.eks.parameters["KeyArn"]
    yield from unless(stacks.eks.properties("Cluster").get("EncryptionConfig") == [{"Provider": {"KeyArn": key}, "Resources": ["secrets"]}], "Kubernetes' secrets are not encrypted with the key")
    for mapping in stacks.eks.properties("NodeTemplate")["LaunchTemplateData"].get("BlockDeviceMappings", [{}]):
        yield from unless(mapping.get("Ebs", {}).get("Encrypted") is True, "a node's disk is not encrypted")
    (statement,) = stacks.base.properties("BucketPolicy")["PolicyDocument"]["Statement"]
    denied = statement["Effect"], statement["Principal"], statement["Action"], statement["Condition"], statement["Resource"]
    yield from unless(denied == ("Deny", "*", "s3:*", {"Bool": {"aws:SecureTransport": "false"}}, ["{Bucket.Arn}", "{Bucket.Arn}/*"]), "the bucket answers without TLS")


def logs(stacks):
    for where, group in stacks.resources("AWS::Logs::LogGroup"):
        yield from unless(group["Properties"].get("RetentionInDays"), f"{where} is kept for ever")
        yield from unless(group["Properties"].get("KmsKeyId"), f"{where} is not encrypted with the key")
    cluster = stacks.eks.resources["Cluster"]
    types = {entry["Type"] for entry in cluster["Properties"].get("Logging", {}).get("ClusterLogging", {}).get("EnabledTypes", [])}
    yield from unless(types == {"api", "audit", "authenticator", "controllerManager", "scheduler"}, f"the control plane logs only {sorted(types)}")
    group = stacks.eks.properties("ClusterLogGroup")["LogGroupName"]
    yield from unless(group == f"/aws/eks/{cluster['Properties']['Name']}/cluster", "EKS writes to another log group")
    yield from unless("ClusterLogGroup" in listed(cluster.get("DependsOn")), "EKS would create the log group itself, without limit and key")
    flow = stacks.base.properties("FlowLog")
    yield from unless(flow["ResourceId"] == "{Vpc}" and flow["LogGroupName"] == "{FlowLogGroup}", "refused connections are not logged")


def kept(stacks):
    for where, resource in stacks.resources(*DATA):
        # RetainExceptOnCreate differs only while a stack is created for the first time.
        yield from unless(resource.get("DeletionPolicy") in ("Retain", "RetainExceptOnCreate"), f"{where} is deleted with its stack")
        yield from unless(resource.get("UpdateReplacePolicy") == "Retain", f"{where} is deleted when it is replaced")
    yield from unless(stacks.eks.properties("Cluster").get("DeletionProtection") is True, "a mistaken delete-stack deletes the cluster")


def bucket(stacks):
    properties = stacks.base.properties("Bucket")
    yield from unless(properties.get("VersioningConfiguration") == {"Status": "Enabled"}, "the bucket keeps no versions")
    block = properties.get("PublicAccessBlockConfiguration", {})
    yield from unless(len(block) == 4 and all(value is True for value in block.values()), "the bucket may become public")
    yield from unless(properties.get("OwnershipControls") == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}, "objects may have ACLs")
    for rule in properties.get("LifecycleConfiguration", {}).get("Rules", []):
        yield from unless("ExpirationInDays" not in rule and "ExpirationDate" not in rule, "configuration expires")


def registry(stacks):
    properties = stacks.base.properties("Repository")
    yield from unless(properties.get("ImageTagMutability") == "IMMUTABLE", "a tag may change its image")
    yield from unless(properties.get("ImageScanningConfiguration") == {"ScanOnPush": True}, "images are not scanned")
    for rule in json.loads(properties["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]:
        yield from unless(rule["selection"]["tagStatus"] == "untagged", "an image that a cluster runs may expire")


# ---- EKS


def control_plane(stacks):
    properties = stacks.eks.properties("Cluster")
    network = properties["ResourcesVpcConfig"]
    yield from unless(network.get("EndpointPrivateAccess") is True, "nodes reach the API server over the internet")
    given = stacks.eks.parameters["PublicAccessCidrs"]
    yield from unless(network.get("EndpointPublicAccess") is bool(given), "the API server is on the internet")
    yield from unless(network.get("PublicAccessCidrs") == (given.split(",") if given else None), "the API server is open to others than given")
    access = properties.get("AccessConfig", {})
    yield from unless(access == {"AuthenticationMode": "API", "BootstrapClusterCreatorAdminPermissions": False}, "whoever creates the stack administers the cluster")
    yield from unless(properties["Name"] == f"eks-{stacks.eks.parameters['Environment']}", "the cluster has another name than its folder in nix/clusters")
    for value in ("0.0.0.0/0", "203.0.113.0/24,0.0.0.0/0", "203.0.113.0/24,", "everybody"):
        try:
            Stacks(stacks.templates, eks={"PublicAccessCidrs": value})
        except Refused:
            continue
        yield f"PublicAccessCidrs={value} is accepted"


def nodes(stacks):
    properties = stacks.eks.properties("Nodes")
    scaling = properties["ScalingConfig"]
    yield from unless((scaling["MinSize"], scaling["MaxSize"]) == (2, 4), f"{scaling['MinSize']} to {scaling['MaxSize']} nodes")
    yield from unless(2 <= scaling["DesiredSize"] <= 4, f"{scaling['DesiredSize']} nodes at the start")
    update = properties.get("UpdateConfig", {})
    yield from unless(update.get("UpdateStrategy") == "DEFAULT", "old nodes stop before new ones have started")
    yield from unless(update.get("MaxUnavailable") == 1, "several nodes are drained at once")
    yield from unless(properties.get("ForceUpdateEnabled") is False, "an update breaks PodDisruptionBudgets")
    yield from unless("RemoteAccess" not in properties, "nodes have SSH")
    data = stacks.eks.properties("NodeTemplate")["LaunchTemplateData"]
    yield from unless("KeyName" not in data, "nodes have SSH")
    metadata = data.get("MetadataOptions", {})
    yield from unless(metadata.get("HttpTokens") == "required", "the metadata server answers without a token")
    yield from unless(metadata.get("HttpPutResponseHopLimit") == 1, "pods reach the node's role")
    yield from unless(properties["LaunchTemplate"]["Id"] == "{NodeTemplate}", "the nodes have another launch template")


def addons(stacks):
    found = {r["Properties"]["AddonName"]: (name, r) for name, r in stacks.eks.of_type("AWS::EKS::Addon").items()}
    yield from unless(sorted(found) == ["coredns", "kube-proxy", "vpc-cni"], f"add-ons: {sorted(found)}")
    if len(found) < 3:
        return
    yield from unless(stacks.eks.properties("Cluster").get("BootstrapSelfManagedAddons") is False, "EKS installs add-ons that nobody updates")
    network = found["vpc-cni"][1]["Properties"]
    yield from unless(json.loads(network.get("ConfigurationValues", "{}")).get("enableNetworkPolicy") == "true", "network policies are not enforced")
    yield from unless(network.get("ServiceAccountRoleArn") == "{NetworkRole.Arn}", "the network add-on has no role, so that nodes would need its rights")
    before = listed(stacks.eks.resources["Nodes"].get("DependsOn"))
    for addon in ("vpc-cni", "kube-proxy"):
        yield from unless(found[addon][0] in before, f"nodes start before {addon} and do not become ready")
    yield from unless(listed(found["coredns"][1].get("DependsOn")) == ["Nodes"], "coredns waits for nodes that do not exist yet")


# ---- ECS


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


# ---- Form


def no_exports(stacks):
    for name in NAMES:
        for output, definition in stacks.templates[name]["Outputs"].items():
            yield from unless("Export" not in definition, f"{name}.{output} is exported: another stack that imports it could never be changed")


def tagged(stacks):
    """Every resource that can have tags says whose it is."""
    for where, resource in stacks.resources():
        properties, kind = resource.get("Properties", {}), resource["Type"]
        if kind == "AWS::EC2::LaunchTemplate":
            given = [tags(s["Tags"]) for s in (*properties.get("TagSpecifications", []), *properties["LaunchTemplateData"].get("TagSpecifications", []))]
            yield from unless(len(given) == 3, f"{where}: template, instances and volumes are not all tagged")
        else:
            name = "HostedZoneTags" if kind == "AWS::Route53::HostedZone" else "Tags"
            if name not in MANAGER.get_resource_schema("eu-west-1", kind).schema["properties"]:
                continue
            given = [tags(properties.get(name))]
        for each in given:
            yield from unless(each.get("project") == "generic-consumer" and each.get("environment") == "uat", f"{where} is not tagged")


CHECKS = [
    two_zones, nothing_is_public, nat_gateways, closed_doors,
    no_wildcard_actions, scoped_resources, least_privilege, trust, no_other_principals, identity_provider,
    encryption, logs, kept, bucket, registry,
    control_plane, nodes, addons,
    service, task, secrets, health, load_balancer,
    no_exports, tagged,
]  # fmt: skip
