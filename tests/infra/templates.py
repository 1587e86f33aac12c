"""Reads CloudFormation templates and resolves them as CloudFormation does: parameters, conditions,
intrinsic functions. What only AWS knows (an ARN, an id) becomes `{Resource.Attribute}`."""

import copy
import functools
import json
import pathlib
import re

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "infra/aws"
NAMES = ("base", "eks", "ecs")
ISSUER = "oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
PSEUDO = {
    "AWS::AccountId": "111122223333",
    "AWS::NoValue": None,
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::StackName": "a-stack",
    "AWS::URLSuffix": "amazonaws.com",
}
# What the tests give where a template has no default, or AWS would refuse an empty value.
GIVEN = {
    "base": {},
    "eks": {"AdminArn": "arn:aws:iam::111122223333:role/admin"},
    "ecs": {
        "Instance": "returns",
        "Domain": "RETURNS",
        "Image": "111122223333.dkr.ecr.eu-west-1.amazonaws.com/consumers/generic-consumer@sha256:" + "a" * 64,
        "ProbeImage": "public.ecr.aws/docker/library/busybox:1.37@sha256:" + "b" * 64,
        "ConfigurationKey": "config/returns/0123456789ab.env",
        "GoogleKeySecretArn": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:generic-consumer/google-AbCdEf",
    },
}


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms: !Ref and the functions."""


def short_form(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", short_form)


@functools.cache
def parsed(name):
    return yaml.load((FOLDER / f"{name}.yaml").read_text(), Loader)


def load(name):
    """The template, for a test to change."""
    return copy.deepcopy(parsed(name))


class Refused(Exception):
    """What CloudFormation would refuse: a parameter's value, a rule, a reference to what is not there."""


class Stack:
    """A template with values for its parameters. `resources` has those whose condition holds."""

    def __init__(self, template, **given):
        self.template = template
        self.parameters = {name: self.parameter(name, given.get(name)) for name in template.get("Parameters", {})}
        self.conditions = {}
        for rule in template.get("Rules", {}).values():
            if self.resolve(rule.get("RuleCondition", {"Fn::Equals": ["", ""]})):
                for assertion in rule["Assertions"]:
                    if not self.resolve(assertion["Assert"]):
                        raise Refused(assertion["AssertDescription"])
        self.resources = {
            name: {key: self.resolve(value) for key, value in resource.items() if key != "Condition"}
            for name, resource in template["Resources"].items()
            if self.holds(resource)
        }
        self.outputs = {
            name: self.resolve(output["Value"]) for name, output in template.get("Outputs", {}).items() if self.holds(output)
        }

    def parameter(self, name, given):
        declared = self.template["Parameters"][name]
        value = given if given is not None else declared.get("Default")
        if value is None:
            raise Refused(f"{name} has no value")
        text = str(value)
        pattern = declared.get("AllowedPattern")
        if pattern and not re.fullmatch(pattern, text):
            raise Refused(f"{name}: {text!r} does not match {pattern}")
        if "AllowedValues" in declared and text not in map(str, declared["AllowedValues"]):
            raise Refused(f"{name}: {text!r} is none of {declared['AllowedValues']}")
        if "MaxLength" in declared and len(text) > declared["MaxLength"]:
            raise Refused(f"{name}: {text!r} is too long")
        kind = declared["Type"]
        if kind == "Number":
            number = int(text)
            if not declared.get("MinValue", number) <= number <= declared.get("MaxValue", number):
                raise Refused(f"{name}: {number} is out of range")
            return number
        return text.split(",") if kind == "CommaDelimitedList" or kind.startswith("List<") else text

    def holds(self, thing):
        return "Condition" not in thing or self.condition(thing["Condition"])

    def condition(self, name):
        if name not in self.conditions:
            self.conditions[name] = self.resolve(self.template["Conditions"][name])
        return self.conditions[name]

    def reference(self, name):
        if name in PSEUDO:
            return PSEUDO[name]
        if name in self.parameters:
            return self.parameters[name]
        return self.attribute(name, None)

    def attribute(self, name, attribute):
        resource = self.template["Resources"][name]
        if not self.holds(resource):
            raise Refused(f"{name} is used where its condition does not hold")
        if attribute == "OpenIdConnectIssuerUrl":
            return f"https://{ISSUER}"
        if attribute is None and resource["Type"] == "AWS::EKS::Cluster":
            return self.resolve(resource["Properties"]["Name"])
        return f"{{{name}.{attribute}}}" if attribute else f"{{{name}}}"

    def resolve(self, value):
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not None]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (key, inner), = value.items()
            if key == "Ref":
                return self.reference(inner)
            if key == "Condition" and isinstance(inner, str):
                return self.condition(inner)
            if key.startswith("Fn::"):
                return getattr(self, "fn_" + key[4:].lower())(inner)
        resolved = {key: self.resolve(inner) for key, inner in value.items()}
        return {key: inner for key, inner in resolved.items() if inner is not None}

    def fn_getatt(self, inner):
        name, attribute = inner
        return self.attribute(name, attribute)

    def fn_sub(self, inner):
        text, extra = inner if isinstance(inner, list) else (inner, {})
        extra = self.resolve(extra)

        def one(match):
            name = match[1]
            if name in extra:
                return str(extra[name])
            return str(self.attribute(*name.split(".", 1)) if "." in name else self.reference(name))

        return re.sub(r"\$\{([A-Za-z0-9:.]+)\}", one, text)

    def fn_join(self, inner):
        separator, items = inner
        return separator.join(map(str, self.resolve(items)))

    def fn_split(self, inner):
        separator, text = inner
        return self.resolve(text).split(separator)

    def fn_select(self, inner):
        index, items = inner
        return self.resolve(items)[int(index)]

    def fn_getazs(self, _):
        return ["eu-west-1a", "eu-west-1b", "eu-west-1c"]

    def fn_if(self, inner):
        name, yes, no = inner
        return self.resolve(yes if self.condition(name) else no)

    def fn_equals(self, inner):
        one, other = self.resolve(inner)
        return str(one) == str(other)

    def fn_not(self, inner):
        return not self.resolve(inner[0])

    def of_type(self, kind):
        return {name: resource for name, resource in self.resources.items() if resource["Type"] == kind}

    def properties(self, name):
        return self.resources[name].get("Properties", {})


class Stacks:
    """The three stacks, put together as docs/infrastructure.md does: base's outputs are parameters of
    the other two."""

    def __init__(self, templates=None, base=None, eks=None, ecs=None):
        self.templates = templates or {name: parsed(name) for name in NAMES}
        self.base = Stack(self.templates["base"], **GIVEN["base"], **(base or {}))
        # In the form that AWS gives them.
        outputs = {
            **self.base.outputs,
            "KeyArn": "arn:aws:kms:eu-west-1:111122223333:key/a-key",
            "RepositoryArn": "arn:aws:ecr:eu-west-1:111122223333:repository/consumers/generic-consumer",
            "BucketName": "a-bucket",
        }
        self.eks = Stack(self.templates["eks"], **{**outputs, **GIVEN["eks"], **(eks or {})})
        self.ecs = Stack(self.templates["ecs"], **{**outputs, **GIVEN["ecs"], **(ecs or {})})

    def each(self):
        for name in NAMES:
            yield name, getattr(self, name)

    def resources(self, *kinds):
        for name, stack in self.each():
            for logical, resource in stack.resources.items():
                if not kinds or resource["Type"] in kinds:
                    yield f"{name}.{logical}", resource

    def statements(self):
        """(where, kind, statement): kind is `trust`, `identity`, `key` or `bucket`."""
        for where, resource in self.resources():
            properties = resource.get("Properties", {})
            documents = [
                ("trust", properties.get("AssumeRolePolicyDocument")),
                ("key", properties.get("KeyPolicy")),
                ("bucket", properties.get("PolicyDocument") if resource["Type"] == "AWS::S3::BucketPolicy" else None),
                *(("identity", policy["PolicyDocument"]) for policy in properties.get("Policies", [])),
            ]
            for kind, document in documents:
                if document is None:
                    continue
                # A policy whose conditions have computed keys is JSON in a string.
                document = json.loads(document) if isinstance(document, str) else document
                for statement in document["Statement"]:
                    yield where, kind, statement


def listed(value):
    return value if isinstance(value, list) else [] if value is None else [value]
