"""Two zones, nothing public, who may connect."""

import re

from .complaint import unless


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
