"""Who may be what, and what that allows."""

import json
import re

from templates import ISSUER, listed

from .complaint import unless

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
