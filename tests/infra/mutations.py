"""Templates that were broken on purpose, one place each: what every property has to notice."""

import copy

from templates import NAMES, load

REMOVE = object()


def broken(name, path, value):
    """The templates with one place changed; the path's parts are separated by slashes."""
    templates = {each: load(each) for each in NAMES}
    *steps, last = path.split("/")
    at = templates[name] if path.startswith(("Conditions/", "Outputs/", "Parameters/")) else templates[name]["Resources"]
    for step in steps:
        at = at[int(step)] if isinstance(at, list) else at[step]
    last = int(last) if isinstance(at, list) else last
    if value is REMOVE:
        del at[last]
    elif isinstance(at, list) and last == len(at):
        at.append(value)
    else:
        at[last] = value(at[last]) if callable(value) else value
    return templates


def replaced(old, new):
    """Changes a text, also the one in Fn::Sub."""

    def change(before):
        after = copy.deepcopy(before)
        if isinstance(after, dict):
            inner = after["Fn::Sub"]
            if isinstance(inner, list):
                assert old in inner[0]
                inner[0] = inner[0].replace(old, new)
            else:
                after["Fn::Sub"] = inner.replace(old, new)
            return after
        assert old in after
        return after.replace(old, new)

    return change


T = "TaskDefinition/Properties/ContainerDefinitions"
CLUSTER, NODES = "Cluster/Properties", "Nodes/Properties"
OPEN = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "0.0.0.0/0"}
ALWAYS = {"Fn::Equals": ["", ""]}
EVERYTHING = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
# Property -> places whose change it has to notice.
MUTATIONS = {
    "two_zones": [
        ("base", "PrivateSubnetB/Properties/AvailabilityZone", {"Fn::Select": [0, {"Fn::GetAZs": ""}]}),
        ("base", "PublicSubnetB/Properties/AvailabilityZone", {"Fn::Select": [0, {"Fn::GetAZs": ""}]}),
        ("base", "Outputs/PrivateSubnetIds/Value", {"Ref": "PrivateSubnetA"}),
        ("eks", f"{NODES}/Subnets", {"Fn::Select": [0, {"Ref": "PrivateSubnetIds"}]}),
        ("eks", f"{CLUSTER}/ResourcesVpcConfig/SubnetIds", []),
        ("ecs", "Service/Properties/NetworkConfiguration/AwsvpcConfiguration/Subnets", {"Ref": "PublicSubnetIds"}),
        ("ecs", "Service/Properties/AvailabilityZoneRebalancing", "DISABLED"),
    ],
    "nothing_is_public": [
        ("base", "PrivateDefaultRouteA/Properties", {"RouteTableId": {"Ref": "PrivateRoutesA"}, "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": {"Ref": "InternetGateway"}}),
        ("base", "PrivateRoutesAssociationB/Properties/RouteTableId", {"Ref": "PublicRoutes"}),
        ("base", "PrivateSubnetA/Properties/MapPublicIpOnLaunch", True),
        ("base", "PublicSubnetA/Properties/MapPublicIpOnLaunch", REMOVE),
        ("ecs", "Service/Properties/NetworkConfiguration/AwsvpcConfiguration/AssignPublicIp", "ENABLED"),
        ("eks", "NodeTemplate/Properties/LaunchTemplateData/NetworkInterfaces", [{"AssociatePublicIpAddress": True}]),
    ],
    "nat_gateways": [
        ("base", "NatGatewayB/Properties/SubnetId", {"Ref": "PublicSubnetA"}),
        ("base", "NatGatewayA/Properties/SubnetId", {"Ref": "PrivateSubnetA"}),
        ("base", "PrivateDefaultRouteB/Properties/NatGatewayId", {"Ref": "NatGatewayA"}),
        ("base", "NatGatewayB/Condition", REMOVE),
        ("base", "Conditions/TwoNatGateways", ALWAYS),
    ],
    "closed_doors": [
        ("ecs", "TaskSecurityGroup/Properties/SecurityGroupIngress", [OPEN]),
        ("ecs", "TaskSecurityGroup/Properties/SecurityGroupEgress/0/IpProtocol", "-1"),
        ("ecs", "TaskSecurityGroup/Properties/SecurityGroupEgress/1/CidrIp", "0.0.0.0/0"),
        ("ecs", "TaskSecurityGroup/Properties/SecurityGroupEgress", REMOVE),
        ("eks", "ApiClients/Properties/CidrIp", "0.0.0.0/0"),
        ("eks", "ApiClients/Properties/ToPort", 65535),
    ],
    "no_wildcard_actions": [
        ("base", "PushRole/Properties/Policies/0/PolicyDocument/Statement/0/Action/0", "ecr:*"),
        ("base", "Key/Properties/KeyPolicy/Statement/0/Action", "kms:*"),
        ("base", "Key/Properties/KeyPolicy/Statement/1/Action/0", "kms:Encrypt*"),
        ("eks", "InstanceRole/Properties/Policies/0/PolicyDocument/Statement/0/Action", "s3:Get*"),
        ("eks", "ClusterRole/Properties/AssumeRolePolicyDocument/Statement/0/Action", "sts:*"),
        ("eks", "ExternalSecretsRole/Properties/AssumeRolePolicyDocument", replaced("sts:AssumeRoleWithWebIdentity", "sts:*")),
        ("ecs", "TaskRole/Properties/Policies/0/PolicyDocument/Statement/0", {"Effect": "Allow", "NotAction": "s3:DeleteObject", "Resource": "arn:aws:s3:::a-bucket/config/*"}),
    ],
    "scoped_resources": [
        ("eks", "InstanceRole/Properties/Policies/0/PolicyDocument/Statement/0/Resource", "*"),
        ("eks", "InstanceRole/Properties/Policies/0/PolicyDocument/Statement/0/Resource/0", "arn:aws:s3:::*"),
        ("eks", "ExternalSecretsRole/Properties/Policies/0/PolicyDocument/Statement/0/Resource", "*"),
        ("eks", "AutoscalerRole/Properties/Policies/0/PolicyDocument/Statement/0/Resource", "*"),
        ("base", "PushRole/Properties/Policies/0/PolicyDocument/Statement/0/Resource", "arn:aws:ecr:eu-west-1:111122223333:*"),
        ("ecs", "ExecutionRole/Properties/Policies/0/PolicyDocument/Statement/3/Resource", "*"),
        ("ecs", "TaskRole/Properties/Policies/0/PolicyDocument/Statement/3", EVERYTHING),
        ("ecs", "TaskRole/Properties/Policies/0/PolicyDocument/Statement/0", {"Effect": "Allow", "Action": "s3:GetObject", "NotResource": "arn:aws:s3:::another"}),
        ("ecs", "ExecutionRole/Properties/Policies/0/PolicyDocument/Statement/4/Resource", "arn:aws:s3:::*/config/returns.env"),
    ],
    "least_privilege": [
        ("eks", "InstanceRole/Properties/Policies/0/PolicyDocument/Statement/0/Action/0", "s3:PutObject"),
        ("eks", "InstanceRole/Properties/Policies/0/PolicyDocument/Statement/0/Action/0", "secretsmanager:GetSecretValue"),
        ("eks", "InstanceRole/Properties/Policies/0/PolicyDocument/Statement/0/Resource/0", "arn:aws:s3:::another/config/*"),
        ("eks", "InstanceRole/Properties/Policies/0/PolicyDocument/Statement/1/Condition", REMOVE),
        ("eks", "InstanceRole/Properties/Policies/0/PolicyDocument/Statement/2/Condition", REMOVE),
        ("ecs", "TaskRole/Properties/Policies/0/PolicyDocument/Statement/0/Action/1", "s3:DeleteObject"),
        ("ecs", "ExecutionRole/Properties/Policies/0/PolicyDocument/Statement/6/Condition", REMOVE),
        ("ecs", "ExecutionRole/Properties/Policies/0/PolicyDocument/Statement/3/Action", ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"]),
        ("eks", "ExternalSecretsRole/Properties/Policies/0/PolicyDocument/Statement/0/Resource", replaced("${SecretPrefix}", "")),
        ("eks", "ExternalSecretsRole/Properties/Policies/0/PolicyDocument/Statement/0/Action/1", "secretsmanager:DeleteSecret"),
        ("eks", "AutoscalerRole/Properties/Policies/0/PolicyDocument/Statement/0/Condition", REMOVE),
        ("base", "PushRole/Properties/Policies/0/PolicyDocument/Statement/0/Action/0", "ecr:BatchDeleteImage"),
        ("base", "PushRole/Properties/Policies/0/PolicyDocument/Statement/0/Resource", "arn:aws:ecr:eu-west-1:111122223333:repository/another"),
    ],
    "trust": [
        ("eks", "InstanceRole/Properties/AssumeRolePolicyDocument", replaced('"${Issuer}:aud": "sts.amazonaws.com",', "")),
        ("eks", "InstanceRole/Properties/AssumeRolePolicyDocument", replaced("generic-consumer:generic-consumer", "generic-consumer:default")),
        ("eks", "InstanceRole/Properties/AssumeRolePolicyDocument", replaced("StringEquals", "StringLike")),
        ("eks", "InstanceRole/Properties/AssumeRolePolicyDocument", replaced("sts:AssumeRoleWithWebIdentity", "sts:AssumeRole")),
        ("eks", "InstanceRole/Properties/AssumeRolePolicyDocument", REMOVE),
        ("eks", "NodeRole/Type", "AWS::IAM::Group"),
        ("eks", "ExternalSecretsRole/Properties/AssumeRolePolicyDocument", replaced(":sub", ":amr")),
        ("eks", "AutoscalerRole/Properties/AssumeRolePolicyDocument", replaced("kube-system:cluster-autoscaler", "*:*")),
        ("eks", "NetworkRole/Properties/AssumeRolePolicyDocument", replaced("${IdentityProvider}", "arn:aws:iam::999999999999:oidc-provider/x")),
        ("ecs", "TaskRole/Properties/AssumeRolePolicyDocument/Statement/0/Condition", REMOVE),
        ("base", "FlowLogRole/Properties/AssumeRolePolicyDocument/Statement/0/Condition/ArnLike", REMOVE),
        ("base", "PushRole/Properties/AssumeRolePolicyDocument/Statement/0/Principal", {"AWS": "111122223333"}),
        ("eks", "NodeRole/Properties/AssumeRolePolicyDocument/Statement/0/Principal", {"Service": "lambda.amazonaws.com"}),
    ],
    "no_other_principals": [
        ("base", "Key/Properties/KeyPolicy/Statement/0/Principal", "*"),
        ("base", "PushRole/Properties/AssumeRolePolicyDocument/Statement/0/Principal", {"AWS": "*"}),
        ("base", "BucketPolicy/Properties/PolicyDocument/Statement/1", {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": {"Fn::Sub": "${Bucket.Arn}/*"}}),
        ("eks", "NodeRole/Properties/ManagedPolicyArns/2", "arn:aws:iam::aws:policy/AdministratorAccess"),
        ("ecs", "TaskRole/Properties/ManagedPolicyArns", ["arn:aws:iam::aws:policy/AmazonS3FullAccess"]),
    ],
    "identity_provider": [
        ("eks", "IdentityProvider/Properties/ClientIdList", ["sts.amazonaws.com", "another"]),
        ("eks", "IdentityProvider/Properties/Url", "https://example.com"),
        ("eks", "IdentityProvider/Properties/ThumbprintList", ["9e99a48a9960b14926bb7f3b02e22da2b0ab7280"]),
    ],
    "encryption": [
        ("base", "Bucket/Properties/BucketEncryption/ServerSideEncryptionConfiguration/0/ServerSideEncryptionByDefault", {"SSEAlgorithm": "AES256"}),
        ("base", "Repository/Properties/EncryptionConfiguration", REMOVE),
        ("base", "Key/Properties/EnableKeyRotation", False),
        ("base", "BucketPolicy/Properties/PolicyDocument/Statement/0/Effect", "Allow"),
        ("base", "BucketPolicy/Properties/PolicyDocument/Statement/0/Resource/1", REMOVE),
        ("eks", f"{CLUSTER}/EncryptionConfig", REMOVE),
        ("eks", "NodeTemplate/Properties/LaunchTemplateData/BlockDeviceMappings/0/Ebs/Encrypted", False),
        ("eks", "NodeTemplate/Properties/LaunchTemplateData/BlockDeviceMappings", REMOVE),
    ],
    "logs": [
        ("eks", f"{CLUSTER}/Logging/ClusterLogging/EnabledTypes/1", REMOVE),
        ("eks", f"{CLUSTER}/Logging", REMOVE),
        ("eks", "Cluster/DependsOn", REMOVE),
        ("eks", "ClusterLogGroup/Properties/LogGroupName", "/aws/eks/another/cluster"),
        ("eks", "ClusterLogGroup/Properties/RetentionInDays", REMOVE),
        ("ecs", "LogGroup/Properties/RetentionInDays", REMOVE),
        ("ecs", "LogGroup/Properties/KmsKeyId", REMOVE),
        ("base", "FlowLogGroup/Properties/KmsKeyId", REMOVE),
        ("base", "FlowLog/Properties/LogGroupName", "another"),
    ],
    "kept": [
        ("base", "Bucket/DeletionPolicy", REMOVE),
        ("base", "Bucket/UpdateReplacePolicy", REMOVE),
        ("base", "BucketPolicy/DeletionPolicy", REMOVE),
        ("base", "Repository/DeletionPolicy", "Delete"),
        ("base", "Key/DeletionPolicy", REMOVE),
        ("base", "FlowLogGroup/DeletionPolicy", REMOVE),
        ("eks", "ClusterLogGroup/UpdateReplacePolicy", "Delete"),
        ("eks", f"{CLUSTER}/DeletionProtection", False),
        ("ecs", "LogGroup/DeletionPolicy", REMOVE),
    ],
    "bucket": [
        ("base", "Bucket/Properties/VersioningConfiguration/Status", "Suspended"),
        ("base", "Bucket/Properties/PublicAccessBlockConfiguration/BlockPublicPolicy", False),
        ("base", "Bucket/Properties/PublicAccessBlockConfiguration/IgnorePublicAcls", REMOVE),
        ("base", "Bucket/Properties/OwnershipControls", REMOVE),
        ("base", "Bucket/Properties/LifecycleConfiguration/Rules/0/ExpirationInDays", 30),
    ],
    "registry": [
        ("base", "Repository/Properties/ImageTagMutability", "MUTABLE"),
        ("base", "Repository/Properties/ImageScanningConfiguration", REMOVE),
        ("base", "Repository/Properties/LifecyclePolicy", {"LifecyclePolicyText": '{"rules": []}'}),
    ],
    "control_plane": [
        ("eks", f"{CLUSTER}/ResourcesVpcConfig/EndpointPrivateAccess", False),
        ("eks", f"{CLUSTER}/ResourcesVpcConfig/EndpointPublicAccess", True),
        ("eks", f"{CLUSTER}/ResourcesVpcConfig/PublicAccessCidrs", ["0.0.0.0/0"]),
        ("eks", f"{CLUSTER}/AccessConfig/BootstrapClusterCreatorAdminPermissions", True),
        ("eks", f"{CLUSTER}/AccessConfig/AuthenticationMode", "CONFIG_MAP"),
        ("eks", f"{CLUSTER}/Name", "another"),
        ("eks", "Parameters/PublicAccessCidrs/AllowedPattern", REMOVE),
    ],
    "nodes": [
        ("eks", "Parameters/NodesMinimum/Default", 3),
        ("eks", "Parameters/NodesMaximum/Default", 3),
        ("eks", f"{NODES}/ScalingConfig/DesiredSize", 9),
        ("eks", f"{NODES}/UpdateConfig/UpdateStrategy", "MINIMAL"),
        ("eks", f"{NODES}/UpdateConfig/UpdateStrategy", REMOVE),
        ("eks", f"{NODES}/UpdateConfig/MaxUnavailable", 2),
        ("eks", f"{NODES}/ForceUpdateEnabled", True),
        ("eks", f"{NODES}/RemoteAccess", {"Ec2SshKey": "a-key"}),
        ("eks", "NodeTemplate/Properties/LaunchTemplateData/KeyName", "a-key"),
        ("eks", "NodeTemplate/Properties/LaunchTemplateData/MetadataOptions/HttpTokens", "optional"),
        ("eks", "NodeTemplate/Properties/LaunchTemplateData/MetadataOptions/HttpPutResponseHopLimit", 2),
        ("eks", f"{NODES}/LaunchTemplate/Id", "lt-0123456789"),
    ],
    "addons": [
        ("eks", "NetworkAddon/Properties/ConfigurationValues", REMOVE),
        ("eks", "NetworkAddon/Properties/ServiceAccountRoleArn", REMOVE),
        ("eks", "ProxyAddon", REMOVE),
        ("eks", f"{CLUSTER}/BootstrapSelfManagedAddons", REMOVE),
        ("eks", "Nodes/DependsOn", ["ProxyAddon"]),
        ("eks", "DnsAddon/DependsOn", REMOVE),
    ],
    "service": [
        ("ecs", "Service/Properties/DeploymentConfiguration/MinimumHealthyPercent", 50),
        ("ecs", "Service/Properties/DeploymentConfiguration/MaximumPercent", 100),
        ("ecs", "Service/Properties/DeploymentConfiguration/DeploymentCircuitBreaker/Rollback", False),
        ("ecs", "Service/Properties/DeploymentConfiguration/DeploymentCircuitBreaker", REMOVE),
        ("ecs", "Service/Properties/CapacityProviderStrategy/0/CapacityProvider", "FARGATE_SPOT"),
        ("ecs", "Service/Properties/EnableExecuteCommand", True),
        ("ecs", "Parameters/DesiredCount/Default", 3),
        ("ecs", "Parameters/DesiredCount/MinValue", 1),
        ("ecs", "Parameters/DesiredCount/MaxValue", REMOVE),
        ("ecs", "ScalableTarget/Properties/MinCapacity", 1),
        ("ecs", "ScalableTarget/Properties/MaxCapacity", 10),
        ("ecs", "ScalableTarget/Properties/ResourceId", "service/another/service"),
        ("ecs", "ScalingPolicy/Properties/ScalingTargetId", "another"),
    ],
    "task": [
        ("ecs", f"{T}/0/User", "0:0"),
        ("ecs", f"{T}/0/User", REMOVE),
        ("ecs", f"{T}/2/User", REMOVE),
        ("ecs", f"{T}/0/ReadonlyRootFilesystem", False),
        ("ecs", f"{T}/1/ReadonlyRootFilesystem", REMOVE),
        ("ecs", f"{T}/0/LinuxParameters", REMOVE),
        ("ecs", f"{T}/1/LinuxParameters", REMOVE),
        ("ecs", f"{T}/0/StopTimeout", 20),
        ("ecs", f"{T}/0/StopTimeout", REMOVE),
        ("ecs", f"{T}/0/StopTimeout", 180),
        ("ecs", f"{T}/0/Image", "public.ecr.aws/another@sha256:" + "c" * 64),
        ("ecs", f"{T}/1/Image", "public.ecr.aws/docker/library/busybox:latest"),
        ("ecs", f"{T}/0/Command/1", "ANOTHER"),
        ("ecs", f"{T}/0/MountPoints/0/ReadOnly", False),
        ("ecs", f"{T}/0/MountPoints/0/ContainerPath", "/elsewhere"),
        ("ecs", f"{T}/0/Environment/0/Value", "prod"),
        ("ecs", f"{T}/0/DependsOn/0/Condition", "START"),
        ("ecs", f"{T}/0/EnvironmentFiles", REMOVE),
        ("ecs", f"{T}/1/Essential", True),
        ("ecs", f"{T}/0/Privileged", True),
        ("ecs", f"{T}/0/LogConfiguration/Options/mode", "blocking"),
        ("ecs", f"{T}/2/LogConfiguration/Options/awslogs-group", "another"),
        ("ecs", "TaskDefinition/Properties/TaskRoleArn", {"Fn::GetAtt": ["ExecutionRole", "Arn"]}),
        ("ecs", "TaskDefinition/Properties/NetworkMode", "bridge"),
        ("ecs", "Parameters/Image/AllowedPattern", REMOVE),
        ("ecs", "Parameters/ProbeImage/AllowedPattern", REMOVE),
        ("ecs", "Parameters/ConfigurationKey/AllowedPattern", REMOVE),
    ],
    "secrets": [
        ("ecs", f"{T}/0/Environment/2", {"Name": "CONSUME__UAT__PROPERTIES__SASL_PASSWORD", "Value": "secret"}),
        ("ecs", f"{T}/1/Secrets/0/ValueFrom", "arn:aws:ssm:eu-west-1:111122223333:parameter/key"),
        ("ecs", f"{T}/1/Secrets", REMOVE),
        ("ecs", f"{T}/0/Secrets", REMOVE),
        ("ecs", "ExecutionRole/Properties/Policies/0/PolicyDocument/Statement/3/Resource/0", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:another"),
    ],
    "health": [
        ("ecs", f"{T}/2/HealthCheck", REMOVE),
        ("ecs", f"{T}/0/HealthCheck", {"Command": ["CMD-SHELL", "true"]}),
        ("ecs", f"{T}/2/Essential", False),
        ("ecs", f"{T}/2/HealthCheck/Command", ["CMD-SHELL", "true"]),
        ("ecs", f"{T}/2/HealthCheck/Retries", 1),
        ("ecs", f"{T}/2/HealthCheck/StartPeriod", REMOVE),
        ("ecs", f"{T}/2/Command", ["sleep", "2147483647"]),
        ("ecs", f"{T}/2/DependsOn", REMOVE),
    ],
    "load_balancer": [
        ("ecs", "Conditions/IsEventApi", ALWAYS),
        ("ecs", "ApiLoadBalancer/Condition", REMOVE),
        ("ecs", "Service/Properties/LoadBalancers", [{"ContainerName": "generic-consumer", "ContainerPort": 8080, "TargetGroupArn": "x"}]),
        ("ecs", "Service/Properties/LoadBalancers", REMOVE),
        ("ecs", "Service/Metadata", REMOVE),
        ("ecs", f"{T}/0/PortMappings", [{"ContainerPort": 8080}]),
        ("ecs", "TasksFromApi/Properties", {"GroupId": {"Ref": "TaskSecurityGroup"}, "CidrIp": "10.0.0.0/8", "IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8080}),
        ("ecs", "TasksFromApi/Condition", REMOVE),
        ("ecs", "ApiLoadBalancer/Properties/Subnets", {"Ref": "PublicSubnetIds"}),
        ("ecs", "ApiLoadBalancer/Properties/LoadBalancerAttributes/0/Value", "false"),
        ("ecs", "ApiLoadBalancer/Properties/LoadBalancerAttributes/1", REMOVE),
        ("ecs", "ApiListener/Properties/Protocol", "HTTP"),
        ("ecs", "ApiListener/Properties/SslPolicy", REMOVE),
        ("ecs", "ApiListener/Properties/Certificates", REMOVE),
    ],
    "no_exports": [
        ("base", "Outputs/VpcId/Export", {"Name": "vpc"}),
    ],
    "tagged": [
        ("base", "Vpc/Properties/Tags/1", REMOVE),
        ("base", "Key/Properties/Tags", REMOVE),
        ("base", "UatZone/Properties/HostedZoneTags", REMOVE),
        ("eks", f"{NODES}/Tags", {"project": "generic-consumer"}),
        ("eks", "NodeTemplate/Properties/LaunchTemplateData/TagSpecifications/1", REMOVE),
        ("eks", f"{CLUSTER}/Tags", REMOVE),
        ("ecs", "Service/Properties/Tags/1/Value", "another"),
        ("ecs", "ApiLoadBalancer/Properties/Tags", REMOVE),
    ],
}
