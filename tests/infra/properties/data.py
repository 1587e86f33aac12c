"""Encrypted, logged, kept."""

from templates import listed

from .complaint import unless

# Types whose removal would lose data: images, objects, logs, and what they are encrypted with.
DATA = ("AWS::ECR::Repository", "AWS::KMS::Key", "AWS::Logs::LogGroup", "AWS::S3::Bucket", "AWS::S3::BucketPolicy")


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
    yield from unless("LifecyclePolicy" not in properties, "an image that a cluster runs, or its signatures, which have no tag, may expire")
