"""Outputs and tags."""

import cfnlint.schema.manager
from templates import NAMES

from .complaint import tags, unless

MANAGER = cfnlint.schema.manager.PROVIDER_SCHEMA_MANAGER


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
