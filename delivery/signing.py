"""Signs images with cosign and verifies what was signed: a signature, a provenance and a bill of materials
of each, stored in the registry next to the image as referrers of its digest. Nothing is sent to a public
log or asked from Sigstore's services; only the keys in nix/keys count."""

import base64
import contextlib
import json
import os
import re
import shutil
import subprocess

import provenance
import temporary
from refusal import Refusal

COSIGN = ["cosign"]
SIGNATURE, SBOM = "https://sigstore.dev/cosign/sign/v1", "https://cyclonedx.org/bom"
# What every image has, and what the sentences call it.
WANTED = {SIGNATURE: "signature", provenance.TYPE: "provenance", SBOM: "bill of materials"}
# Sigstore's configuration without any of its services.
NO_SERVICES = {"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json", "rekorTlogConfig": {}, "tsaConfig": {}}
NO_ROOTS = {"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}


def cosign(*arguments):
    with files() as folder:
        environment = dict(os.environ)
        # skopeo's file has the form of Docker's. cosign would prefer one in the home folder.
        if os.environ.get("REGISTRY_AUTH_FILE"):
            shutil.copyfile(os.environ["REGISTRY_AUTH_FILE"], folder / "config.json")
            environment["DOCKER_CONFIG"] = str(folder)
        command = [*COSIGN, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", stdin=subprocess.DEVNULL, env=environment)


def message_of(done):
    """The reason, without cosign's warnings."""
    lines = [line.removeprefix("Error: ") for line in done.stderr.splitlines() if line.startswith("Error: ")]
    return "; ".join(lines) or done.stderr.strip() or "no message"


@contextlib.contextmanager
def files(**texts):
    """A temporary folder with files of these names."""
    with temporary.folder("signing.") as folder:
        for name, text in texts.items():
            (folder / name).write_text(text if isinstance(text, str) else json.dumps(text))
        yield folder


def statements(reference, kind, pem):
    """The statements of a kind about an image that a key has signed; and why there are none."""
    with files(key=pem) as at:
        done = cosign("verify-attestation", "--key", at / "key", "--insecure-ignore-tlog", "--type", kind, "--output", "json", reference)
    if done.returncode == 0:
        found = [json.loads(base64.b64decode(json.loads(line)["payload"])) for line in done.stdout.splitlines() if line.strip()]
        # cosign has compared type and digest; these are what we rely on, so we look as well.
        digest = reference.rpartition("@sha256:")[2]
        return [s for s in found if s.get("predicateType") == kind and [subject.get("digest", {}).get("sha256") for subject in s.get("subject", [])] == [digest]], None
    # Not there, or not by this key. Anything else is no answer about the image.
    why = message_of(done)
    if re.search(r"no matching attestations|none of the attestations matched|no attestations|no signatures found|invalid signature|accepted signatures do not match", why):
        return [], why
    raise Refusal(f"cannot verify {reference}: {why}")


def lacks(reference, trusted, kind):
    """What is wrong with an image's signature, provenance or bill of materials, as a sentence; None if
    nothing is. One of several may be right, for example after a key was replaced."""
    digest = reference.rpartition("@")[2]
    why = None
    for key in trusted["keys"]:
        for statement in statements(reference, kind, key["pem"])[0]:
            if kind == provenance.TYPE:
                wrong = provenance.lacks(statement, trusted, digest)
            elif kind == SBOM:
                wrong = sbom_lacks(statement.get("predicate"), digest)
            else:
                wrong = None
            if wrong is None:
                return None
            why = f"{reference}: its {WANTED[kind]} {wrong}"
    return why or f"{reference} has no {WANTED[kind]} by a key of nix/keys ({', '.join(key['name'] for key in trusted['keys'])})"


def sbom_lacks(bom, digest):
    try:
        named = [f"sha256:{each['content']}" for each in bom["metadata"]["component"]["hashes"] if each["alg"] == "SHA-256"]
        components = bom["components"]
    except (KeyError, TypeError):
        return "is incomplete"
    if named != [digest]:
        return f"is the one of {', '.join(named) or 'no image'}"
    return None if components else "lists nothing"


def refuse_untrusted(reference, trusted):
    for kind in WANTED:
        wrong = lacks(reference, trusted, kind)
        if wrong:
            raise Refusal(f"{wrong}: it was not built by our pipeline, or before it signed images. docs/delivery.md, Signatures, says what to do.")


def public_key(key):
    done = cosign("public-key", "--key", key)
    if done.returncode != 0:
        raise Refusal(f"cannot read the private key (COSIGN_KEY, COSIGN_PASSWORD): {message_of(done)}")
    return done.stdout


def sign(reference, own, key, predicates):
    """Adds what the image does not have yet by our own key, so that a step that was cut off can be run
    again. `own` is that key's public half and what a provenance has to say."""
    for kind in WANTED:
        if lacks(reference, own, kind) is None:
            print(f"{reference} has its {WANTED[kind]} already", flush=True)
            continue
        with files(config=NO_SERVICES, roots=NO_ROOTS, predicate=predicates.get(kind, "")) as at:
            common = ["--key", key, "--signing-config", at / "config", "--trusted-root", at / "roots", "--yes"]
            # cosign reads the predicate as it is where the type is an address.
            command = ["sign", *common] if kind == SIGNATURE else ["attest", *common, "--type", kind, "--predicate", at / "predicate"]
            done = cosign(*command, reference)
        if done.returncode != 0:
            raise Refusal(f"cannot sign {reference} ({WANTED[kind]}): {message_of(done)}")
        print(f"{reference}: {WANTED[kind]} signed", flush=True)
