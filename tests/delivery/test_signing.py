"""Signatures: what the job `image` signs, and which images `delivery/image has`, and so a release, refuses."""

import base64
import hashlib
import json
import pathlib
import re
import subprocess
import tempfile
import unittest
import urllib.request

from cases import JobsCase
from chain import PASSWORD, Chain, key_pair

SIGNATURE = "https://sigstore.dev/cosign/sign/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
SBOM = "https://cyclonedx.org/bom"
ALL = {SIGNATURE, PROVENANCE, SBOM}
BUILD = "https://jenkins.example.com/job/generic-consumer/job/image/7/"


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Repository:
    """A repository of a registry, read and written as somebody does who has its credential."""

    def __init__(self, place):
        self.place = place
        host, _, name = place.partition("/")
        self.url = f"http://{host}/v2/{name}"

    def call(self, method, path, data=None, kind="application/octet-stream"):
        url = path if path.startswith("http") else f"{self.url}/{path}"
        accepted = ", ".join(f"application/vnd.oci.image.{kind}.v1+json" for kind in ("manifest", "index"))
        request = urllib.request.Request(url, data, {"Content-Type": kind, "Accept": accepted}, method=method)
        with urllib.request.urlopen(request) as answer:
            return answer.read(), answer.headers

    def blob(self, data):
        """Uploads a blob; returns its digest."""
        location = self.call("POST", "blobs/uploads/", b"")[1]["Location"]
        self.call("PUT", f"{location}{'&' if '?' in location else '?'}digest={sha256(data)}", data)
        return sha256(data)

    def manifest(self, reference):
        return json.loads(self.call("GET", f"manifests/{reference}")[0])

    def put(self, manifest, reference=None):
        data = json.dumps(manifest).encode()
        self.call("PUT", f"manifests/{reference or sha256(data)}", data, manifest["mediaType"])
        return {"mediaType": manifest["mediaType"], "digest": sha256(data), "size": len(data)}

    def signed(self, digest):
        """(manifest, bundle) of everything that is signed about an image. This registry has a tag with the
        list, as registries without an API for referrers do."""
        found = []
        for entry in self.manifest(digest.replace(":", "-"))["manifests"]:
            manifest = self.manifest(entry["digest"])
            found.append((manifest, json.loads(self.call("GET", f"blobs/{manifest['layers'][0]['digest']}")[0])))
        return found

    def attach(self, digest, signed):
        """Makes (manifest, bundle) what is signed about an image, whatever they say."""
        image = self.call("GET", f"manifests/{digest}")[0]
        entries = []
        for manifest, bundle in signed:
            data = json.dumps(bundle).encode()
            manifest = {**manifest, "subject": {**manifest["subject"], "digest": digest, "size": len(image)}}
            manifest["layers"] = [{**manifest["layers"][0], "digest": self.blob(data), "size": len(data)}]
            entries.append({**self.put(manifest), "artifactType": manifest.get("artifactType"), "annotations": manifest.get("annotations", {})})
        index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries}
        self.put(index, digest.replace(":", "-"))

    def another(self, digest):
        """Pushes the image with a difference, as somebody would who changes it; returns its digest."""
        manifest = self.manifest(digest)
        manifest["annotations"] = {"number": str(len(self.call("GET", "tags/list")[0]))}
        return self.put(manifest)["digest"]


def statement(bundle):
    return json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))


class SigningCase(unittest.TestCase):
    """One image, built, pushed and signed by the job; each test spoils it in its own way."""

    @classmethod
    def setUpClass(cls):
        cls.chain = Chain()
        cls.chain.__enter__()
        cls.addClassCleanup(cls.chain.__exit__)
        cls.digest = cls.chain.push_image()
        cls.image = cls.chain.image("image-1")
        cls.repository = Repository(cls.chain.place("gke-uat"))
        cls.signed = {statement(bundle)["predicateType"]: (manifest, bundle) for manifest, bundle in cls.repository.signed(cls.digest)}
        cls.clone = cls.chain.clone("reader")
        cls.reader = cls.chain.root / "reader.json"
        cls.reader.write_text('{"credential": "generic-consumer-registries-read"}')
        cls.writer = cls.chain.root / "writer.json"
        cls.writer.write_text('{"credential": "generic-consumer-registries"}')

    def setUp(self):
        self.repository.attach(self.digest, self.signed.values())

    def script(self, *arguments, folder=None, **environment):
        environment = {**self.chain.environment, "REGISTRY_AUTH_FILE": str(self.reader), **environment}
        done = subprocess.run(["python3", "-B", "delivery/image", *arguments], cwd=folder or self.clone, env=environment, capture_output=True, text=True)
        self.assertNotIn("Traceback", done.stderr)
        return done

    def accepted(self, digest=None, folder=None):
        done = self.script("has", "gke-uat", digest or self.digest, folder=folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def refused(self, saying, digest=None, folder=None):
        done = self.script("has", "gke-uat", digest or self.digest, folder=folder)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn(saying, done.stderr)

    def only(self, *kinds):
        return [self.signed[kind] for kind in kinds]

    def predicate(self, kind=PROVENANCE):
        return json.loads(json.dumps(statement(self.signed[kind][1])["predicate"]))

    def attest(self, kind, predicate, key=None):
        """Signs any predicate about the image, as somebody does who has the key."""
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "key").write_text(key or (self.chain.jenkins / "credentials/generic-consumer-signing-key").read_text())
            (folder / "predicate").write_text(json.dumps(predicate))
            (folder / "config").write_text('{"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json", "rekorTlogConfig": {}, "tsaConfig": {}}')
            (folder / "roots").write_text('{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}')
            what = ["sign"] if kind == SIGNATURE else ["attest", "--type", kind, "--predicate", folder / "predicate"]
            command = [self.chain.environment["COSIGN"], *what, "--key", folder / "key", "--signing-config", folder / "config", "--trusted-root", folder / "roots", "--yes"]
            environment = {**self.chain.environment, "COSIGN_PASSWORD": PASSWORD}
            subprocess.run([*command, f"{self.repository.place}@{self.digest}"], env=environment, capture_output=True, check=True)

    def replaced(self, kind, change, key=None):
        """The image with one of its statements changed and signed again."""
        predicate = self.predicate(kind)
        change(predicate)
        self.repository.attach(self.digest, self.only(*ALL - {kind}))
        self.attest(kind, predicate, key)


class Has(SigningCase):
    def test_a_signed_image(self):
        self.accepted()
        self.assertEqual(set(self.signed), ALL)

    def test_every_registry_has_the_same(self):
        for place in self.chain.places():
            kinds = [statement(bundle)["predicateType"] for _, bundle in Repository(place).signed(self.digest)]
            self.assertEqual(sorted(kinds), sorted(ALL))

    def test_an_unsigned_image(self):
        digest = self.repository.another(self.digest)
        self.refused(f"{self.repository.place}@{digest} has no signature by a key of nix/keys (tests): it was not built by our pipeline", digest)

    def test_a_changed_image_with_the_signatures_of_the_right_one(self):
        digest = self.repository.another(self.digest)
        self.repository.attach(digest, self.signed.values())
        self.refused("has no signature by a key of nix/keys", digest)

    def test_each_of_the_three_is_needed(self):
        for missing, name in ((SIGNATURE, "signature"), (PROVENANCE, "provenance"), (SBOM, "bill of materials")):
            with self.subTest(name):
                self.repository.attach(self.digest, self.only(*ALL - {missing}))
                self.refused(f"has no {name} by a key of nix/keys")

    def test_another_key(self):
        with tempfile.TemporaryDirectory() as folder:
            other, _ = key_pair(pathlib.Path(folder) / "other")
        for kind, name in ((SIGNATURE, "signature"), (PROVENANCE, "provenance"), (SBOM, "bill of materials")):
            with self.subTest(name):
                self.replaced(kind, lambda predicate: None, other)
                self.refused(f"has no {name} by a key of nix/keys")

    def test_a_statement_that_was_changed_after_it_was_signed(self):
        for kind, name in ((SIGNATURE, "signature"), (PROVENANCE, "provenance"), (SBOM, "bill of materials")):
            with self.subTest(name):
                manifest, bundle = json.loads(json.dumps(self.signed[kind]))
                said = statement(bundle)
                said["predicate"] = {**(said.get("predicate") or {}), "more": "words"}
                bundle["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(said).encode()).decode()
                self.repository.attach(self.digest, [*self.only(*ALL - {kind}), (manifest, bundle)])
                self.refused(f"has no {name} by a key of nix/keys")

    def test_a_provenance_of_something_else(self):
        """Signed by our key, as by a job of somebody else who has it too."""

        def builder(predicate):
            predicate["runDetails"]["builder"]["id"] = "https://jenkins.example.com/job/elsewhere/"

        def repository(predicate):
            predicate["buildDefinition"]["externalParameters"]["repository"] = "https://git.example.com/other.git"

        def kind(predicate):
            predicate["buildDefinition"]["buildType"] = "https://example.com/by-hand"

        def nothing(predicate):
            predicate.clear()
            predicate["buildDefinition"] = []

        for change, saying in (
            (builder, "its provenance names https://jenkins.example.com/job/elsewhere/ as its builder instead of https://jenkins.example.com/job/generic-consumer/job/image/"),
            (repository, "its provenance names https://git.example.com/other.git as its repository instead of file:///"),
            (kind, "its provenance names https://example.com/by-hand as its buildType"),
            (nothing, "its provenance is incomplete"),
        ):
            with self.subTest(saying):
                self.replaced(PROVENANCE, change)
                self.refused(saying)
        # One of several may be the right one.
        self.repository.attach(self.digest, [*self.repository_now(), self.signed[PROVENANCE]])
        self.accepted()

    def repository_now(self):
        return self.repository.signed(self.digest)

    def test_a_bill_of_materials_of_something_else(self):
        def other(bom):
            bom["metadata"]["component"]["hashes"][0]["content"] = "0" * 64

        for change, saying in (
            (other, "its bill of materials is the one of sha256:000000"),
            (lambda bom: bom.update(components=[]), "its bill of materials lists nothing"),
            (lambda bom: bom.pop("metadata"), "its bill of materials is incomplete"),
        ):
            with self.subTest(saying):
                self.replaced(SBOM, change)
                self.refused(saying)

    def test_a_registry_that_refuses_is_not_an_unsigned_image(self):
        nobody = self.chain.root / "nobody.json"
        nobody.write_text("{}")
        done = self.script("has", "gke-uat", self.digest, REGISTRY_AUTH_FILE=str(nobody))
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"cannot verify {self.repository.place}@{self.digest}: unauthorized: no credential", done.stderr)

    def test_without_keys_nothing_is_verified(self):
        folder = self.chain.clone("without-keys")
        (folder / "nix/keys/tests.pub").unlink()
        digest = self.repository.another(self.digest)
        done = self.script("has", "gke-uat", digest, folder=folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"warning: nix/keys has no key, so nobody verifies who has built {self.repository.place}@{digest}", done.stderr)

    def test_a_key_that_is_none(self):
        """Without a key that can be read nothing is accepted, instead of everything."""
        folder = self.chain.clone("bad-keys")
        (folder / "nix/keys/tests.pub").write_text("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAA==\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n")
        self.refused("nix/keys/tests.pub contains a private key", folder=folder)
        (folder / "nix/keys/tests.pub").write_text("hello")
        self.refused("nix/keys/tests.pub is no public key in PEM", folder=folder)
        # It has the form of a key, which cosign cannot read.
        (folder / "nix/keys/tests.pub").write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
        self.refused("cannot verify", folder=folder)


class Sign(SigningCase):
    def setUp(self):
        super().setUp()
        for place in self.chain.places():
            Repository(place).attach(self.digest, [])
        self.key = self.chain.jenkins / "credentials/generic-consumer-signing-key"
        self.folder = self.chain.root / "workspace"
        if not self.folder.exists():
            self.chain.clone("workspace")
        for name in ("image.json", "sbom.json"):
            (self.folder / name).write_text((self.chain.jenkins / "archive/image-1" / name).read_text())

    def sign(self, **environment):
        given = {"COSIGN_KEY": str(self.key), "COSIGN_PASSWORD": PASSWORD, "BUILD_URL": BUILD, "REGISTRY_AUTH_FILE": str(self.writer), **environment}
        return self.script("sign", folder=self.folder, **given)

    def cannot_sign(self, saying, **environment):
        done = self.sign(**environment)
        self.assertEqual(done.returncode, 1)
        self.assertIn(saying, done.stderr)
        self.assertNotIn(PASSWORD, done.stderr)
        for place in self.chain.places():
            self.assertEqual(Repository(place).signed(self.digest), [])

    def test_what_the_provenance_says(self):
        said = self.predicate()
        definition, details = said["buildDefinition"], said["runDetails"]
        self.assertEqual(definition["externalParameters"], {"repository": f"file://{self.chain.bare}", "output": "image", "contracts": "this repository"})
        self.assertEqual(definition["internalParameters"], {"system": "x86_64-linux", "tag": self.image["tag"], "contractsRevision": self.image["contracts"]["revision"]})
        ours, nixpkgs = definition["resolvedDependencies"]
        self.assertEqual(ours, {"uri": f"git+file://{self.chain.bare}", "digest": {"gitCommit": self.image["commit"]}})
        locked = json.loads((self.clone / "flake.lock").read_text())["nodes"]["nixpkgs"]["locked"]
        self.assertEqual(nixpkgs["digest"], {"gitCommit": locked["rev"]})
        self.assertEqual(nixpkgs["uri"], "git+https://github.com/NixOS/nixpkgs")
        self.assertEqual(details["builder"], {"id": "https://jenkins.example.com/job/generic-consumer/job/image/"})
        self.assertEqual(details["metadata"]["invocationId"], "https://jenkins.example.com/job/generic-consumer/job/image/1/")
        times = details["metadata"]["startedOn"], details["metadata"]["finishedOn"]
        for time in times:
            self.assertRegex(time, r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertLessEqual(*times)
        archive, sbom = details["byproducts"]
        files = {file.name: sha256(file.read_bytes())[7:] for file in self.chain.peers.iterdir() if file.suffix in (".tar", ".json")}
        for output in (archive, sbom):
            self.assertEqual(output["digest"], {"sha256": files[output["name"]]})
        self.assertEqual(self.predicate(SBOM), json.loads((self.chain.jenkins / "archive/image-1/sbom.json").read_text()))

    def test_the_subject_is_the_image(self):
        for kind in ALL:
            (subject,) = statement(self.signed[kind][1])["subject"]
            self.assertEqual(subject["digest"], {"sha256": self.digest[7:]})

    def test_run_again_after_it_was_cut_off(self):
        """Whatever is there already, the end is the same: one of each in every registry."""
        first = Repository(self.chain.places()[0])
        first.attach(self.digest, self.only(SIGNATURE))
        self.repository.attach(self.digest, self.only(SIGNATURE, PROVENANCE))
        for _ in range(2):
            done = self.sign()
            self.assertEqual(done.returncode, 0, done.stderr)
            for place in self.chain.places():
                kinds = [statement(bundle)["predicateType"] for _, bundle in Repository(place).signed(self.digest)]
                self.assertEqual(sorted(kinds), sorted(ALL))
        self.assertEqual(len(re.findall("already", done.stdout)), 3 * len(self.chain.places()))
        self.accepted()

    def test_what_is_wrong_is_signed_anew(self):
        self.replaced(PROVENANCE, lambda predicate: predicate["runDetails"]["builder"].update(id="elsewhere"))
        self.refused("names elsewhere as its builder")
        self.assertEqual(self.sign().returncode, 0)
        self.accepted()

    def test_a_new_key(self):
        """Both keys are accepted until the old one is removed; what runs then has to be signed by the new
        one, which another run of the job does."""
        self.assertEqual(self.sign().returncode, 0)
        private, public = key_pair(self.chain.root / "new-key")
        new = self.chain.root / "new-key/cosign.key"
        self.cannot_be_used = self.sign(COSIGN_KEY=str(new))
        self.assertIn("the private key belongs to none of nix/keys", self.cannot_be_used.stderr)
        keys = self.folder / "nix/keys"
        (keys / "second.pub").write_text(public)
        self.addCleanup((keys / "second.pub").unlink, missing_ok=True)
        self.accepted(folder=self.folder)
        old = (keys / "tests.pub").read_text()
        self.addCleanup((keys / "tests.pub").write_text, old)
        (keys / "tests.pub").unlink()
        self.refused("has no signature by a key of nix/keys (second)", folder=self.folder)
        self.assertEqual(self.sign(COSIGN_KEY=str(new)).returncode, 0)
        self.accepted(folder=self.folder)
        # The old signatures are still there.
        self.accepted()

    def test_what_is_not_signed(self):
        self.cannot_sign("COSIGN_KEY is not set", COSIGN_KEY="")
        self.cannot_sign("cannot read the private key", COSIGN_PASSWORD="another")
        self.cannot_sign("BUILD_URL=`` is no address of a build", BUILD_URL="")
        self.cannot_sign("BUILD_URL=`", BUILD_URL='https://jenkins.example.com/job/x", "y": "/7/?')
        self.cannot_sign("this build is one of https://jenkins.example.com/job/elsewhere/", BUILD_URL="https://jenkins.example.com/job/elsewhere/7/")
        self.cannot_sign("unauthorized: the reader pushes", REGISTRY_AUTH_FILE=str(self.reader))

    def test_a_clone_of_another_repository(self):
        self.chain.run("git", "-C", self.folder, "remote", "set-url", "origin", "https://user:hunter2@git.example.com/fork.git")
        self.addCleanup(self.chain.run, "git", "-C", self.folder, "remote", "set-url", "origin", str(self.chain.bare))
        self.cannot_sign("this is a clone of https://git.example.com/fork.git, and images are trusted from file://")

    def test_an_image_that_was_not_pushed(self):
        image = {key: value for key, value in self.image.items() if key != "repositories"}
        (self.folder / "image.json").write_text(json.dumps(image))
        self.cannot_sign("run `delivery/image push` first")

    def test_texts_from_outside_stay_texts(self):
        """A parameter that looks like JSON is a value in the provenance, and nothing more."""
        text = 'https://x/"}},"runDetails":{"builder":{"id":"mine"}},"a":"\\u0000\n@main'
        (self.folder / "image.json").write_text(json.dumps({**self.image, "contracts": {**self.image["contracts"], "from": text}}))
        self.assertEqual(self.sign().returncode, 0)
        said = {statement(bundle)["predicateType"]: statement(bundle)["predicate"] for _, bundle in self.repository.signed(self.digest)}[PROVENANCE]
        self.assertEqual(said["buildDefinition"]["externalParameters"]["contracts"], text)
        self.assertEqual(set(said), {"buildDefinition", "runDetails"})
        self.assertEqual(said["runDetails"]["builder"]["id"], "https://jenkins.example.com/job/generic-consumer/job/image/")


class Addresses(unittest.TestCase):
    def test_the_same_repository_by_https_and_ssh(self):
        import sys

        from remote import ROOT

        sys.path.insert(0, str(ROOT / "delivery"))
        from provenance import same_repository

        ours = "https://git.example.com/data/generic-consumer.git"
        for other in (ours, "https://git.example.com/data/generic-consumer", "ssh://git@git.example.com/data/generic-consumer.git", "git@git.example.com:data/generic-consumer.git", "https://user:token@git.example.com/data/generic-consumer/"):
            self.assertTrue(same_repository(ours, other), other)
        for other in ("https://git.example.com/data/generic-consumer2.git", "https://git.example.org/data/generic-consumer.git", "https://evil.example.com/git.example.com/data/generic-consumer.git", "/git.example.com/data/generic-consumer.git", "file:///git.example.com/data/generic-consumer.git", ""):
            self.assertFalse(same_repository(ours, other), other)
        self.assertTrue(same_repository("file:///tmp/x.git", "/tmp/x.git"))


class Jobs(JobsCase):
    def test_an_unsigned_image_is_neither_deployed_nor_promoted(self):
        digest = self.deploy_an_image()
        unsigned = Repository(self.chain.place("gke-uat")).another(digest)
        head = self.chain.head()
        for given in ({"CLUSTER": "gke-uat", "IMAGE_DIGEST": unsigned}, {"CLUSTER": "gke-uat", "INSTANCE": "orders", "IMAGE_DIGEST": unsigned}):
            record = self.chain.job("release", fails=True, **given)
            self.assertEqual((record.jobs(), record.of("lock")), (["release"], []))
            self.assertIn(f"@{unsigned} has no signature by a key of nix/keys (tests)", self.chain.log())
        # Signed where it runs first, and not where it is to be promoted to.
        Repository(self.chain.place("gke-prod")).attach(digest, [])
        record = self.chain.job("release", fails=True, CLUSTER="gke-uat", IMAGE_DIGEST=digest, PROMOTE_TO="gke-prod")
        self.assertEqual((record.jobs(), record.of("lock")), (["release"], []))
        self.assertIn(f"{self.chain.place('gke-prod')}@{digest} has no signature", self.chain.log())
        self.assertEqual(self.chain.head(), head)

    def test_a_job_that_cannot_sign_fails_and_can_be_run_again(self):
        self.chain.credential("generic-consumer-signing-password", "forgotten")
        record = self.chain.job("image", fails=True)
        self.assertEqual(record.of("stage"), ["Changes", "Checks", "Build", "Push", "Sign"])
        self.assertEqual(record.of("archiveArtifacts"), [])
        self.assertNotIn("IMAGE_DIGEST", record.variables("image"))
        self.chain.credential("generic-consumer-signing-password", PASSWORD)
        self.chain.job("image")
        image = self.chain.image("image-2")
        self.assertIs(image["unchanged"], True)
        for place in self.chain.places():
            self.assertEqual(len(Repository(place).signed(image["digest"])), 3)
        self.chain.job("release", CLUSTER="gke-uat", IMAGE_DIGEST=image["digest"])

    def test_contracts_from_elsewhere_are_in_the_provenance(self):
        theirs = self.chain.root / "theirs"
        self.chain.run("git", "clone", "--quiet", self.chain.bare, theirs)
        (theirs / "contracts/x.yaml").write_text("x: 1")
        self.chain.push(theirs)
        commit = self.chain.head()
        self.chain.job("image", BUILD_IMAGE=True, CONTRACTS=f"{theirs}@main")
        digest = self.chain.image("image-1")["digest"]
        (said,) = [statement(bundle)["predicate"] for _, bundle in Repository(self.chain.place("eks-prod")).signed(digest) if statement(bundle)["predicateType"] == PROVENANCE]
        self.assertEqual(said["buildDefinition"]["externalParameters"]["contracts"], f"{theirs}@main")
        self.assertEqual(said["buildDefinition"]["resolvedDependencies"][-1], {"name": "contracts", "uri": f"git+{theirs}", "digest": {"gitCommit": commit}})


if __name__ == "__main__":
    unittest.main()
