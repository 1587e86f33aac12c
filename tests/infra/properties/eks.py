"""The control plane, its nodes and add-ons."""

import json

from templates import Refused, Stacks, listed

from .complaint import unless


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
