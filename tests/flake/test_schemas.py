"""Validates every rendered object: against Kubernetes' schemas, or for custom objects against those in
CRD_SCHEMAS."""

import json
import os
import pathlib
import sys
import unittest

import jsonschema
import kubernetes_validate

import tree

# The groups whose schemas come with kubernetes-validate.
BUILT_IN = ("", "apps", "batch", "policy", "networking.k8s.io")
# We know of no published schema for GKE's Rules: only test_rendered.py checks them.
WITHOUT_SCHEMA = {"Rules"}


def group(thing):
    return thing["apiVersion"].rpartition("/")[0]


def strict(schema):
    """A CRD's schema that also refuses undeclared fields, which a server would drop."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(value) for key, value in schema.items()}
    keeps = schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema and not keeps:
        # A property may itself be named `properties`.
        if all(isinstance(value, dict) for value in schema["properties"].values()):
            schema["additionalProperties"] = False
    return schema


def crd(thing, folder):
    name = f"{thing['kind'].lower()}_{thing['apiVersion'].rpartition('/')[2]}.json"
    schema = json.loads((folder / group(thing) / name).read_text())
    # Kubernetes validates the metadata itself.
    schema["properties"]["metadata"] = {"type": "object"}
    return strict(schema)


class Schemas(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.things = [
            (folder.relative_to(tree.ROOT), thing) for folder in tree.overlays() for thing in tree.build(folder)
        ]

    def test_kubernetes_objects(self):
        seen = set()
        for folder, thing in self.things:
            if group(thing) in BUILT_IN:
                seen.add(thing["kind"])
                with self.subTest(folder=folder, object=tree.key(thing)):
                    kubernetes_validate.validate(thing, "1.37", strict=True)
        self.assertLessEqual(
            {"Deployment", "CronJob", "PodDisruptionBudget", "NetworkPolicy", "ServiceAccount", "ConfigMap", "Namespace"}, seen
        )

    def test_custom_objects(self):
        folder = os.environ.get("CRD_SCHEMAS")
        if not folder:
            print("\nCRD_SCHEMAS is not set: custom objects were not validated against schemas", file=sys.stderr)
            return
        schemas = pathlib.Path(folder)
        if not schemas.is_absolute():
            schemas = tree.ROOT / schemas
        seen = set()
        for place, thing in self.things:
            if group(thing) not in BUILT_IN and thing["kind"] not in WITHOUT_SCHEMA:
                seen.add(thing["kind"])
                with self.subTest(folder=place, object=tree.key(thing)):
                    jsonschema.Draft202012Validator(crd(thing, schemas)).validate(thing)
        self.assertLessEqual({"Application" + "Set", "AppProject", "ScaledObject", "ExternalSecret"}, seen)

    def test_every_kind_is_checked_somewhere(self):
        custom = {thing["kind"] for _, thing in self.things if group(thing) not in BUILT_IN}
        self.assertEqual(
            custom,
            {
                "AppProject",
                "ApplicationSet",
                "ExternalSecret",
                "PodMonitor",
                "PodMonitoring",
                "PrometheusRule",
                "Rules",
                "ScaledObject",
                "TriggerAuthentication",
            },
        )

    def test_a_misspelt_field_fails(self):
        """The validators themselves: they report an undeclared field."""
        deployment = next(thing for _, thing in self.things if thing["kind"] == "Deployment")
        broken = json.loads(json.dumps(deployment))
        broken["spec"]["minReadySecond"] = 10
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(broken, "1.37", strict=True)
        schema = strict({"type": "object", "properties": {"spec": {"type": "object", "properties": {"a": {}}}}})
        with self.assertRaises(jsonschema.ValidationError):
            jsonschema.validate({"spec": {"b": 1}}, schema)
