"""The image of this working tree, as an archive that kind and k3d load."""

import contextlib
import os
import pathlib
import platform
import shutil

import temporary
from refusal import Refusal

from .tools import first_of, has, output, run

DOCKERFILE = pathlib.Path(__file__).with_name("Dockerfile")


@contextlib.contextmanager
def archive(system, how):
    """Builds the image, and gives the archive's path. `how` is `nix`, `cargo`, or None for the first of
    them that is there."""
    how = how or ("nix" if has("nix") else "cargo")
    with temporary.folder("local-image.") as folder:
        file = folder / "image.tar"
        # The full name: other tools would put their own registry before it.
        name = f"docker.io/library/{system.image}"
        {"nix": with_nix, "cargo": with_cargo}[how](system, name, folder, file)
        yield file


def with_nix(system, name, folder, file):
    """The image that clusters run: a release build, all of it after any change."""
    if not has("nix"):
        raise Refusal("nix is missing: install it, or build with `--from cargo`.")
    if not has("skopeo"):
        raise Refusal("skopeo is missing, which makes the image an archive that kind and k3d load: `nix develop` has it; or build with `--from cargo`.")
    result = folder / "result"
    machine = {"arm64": "aarch64"}.get(platform.machine(), platform.machine())
    run("nix", "--extra-experimental-features", "nix-command flakes", "build", f"{system.root}#packages.{machine}-linux.image", "--out-link", result)
    run("skopeo", "--insecure-policy", "--tmpdir", folder, "copy", "--quiet", f"oci-archive:{result}", f"docker-archive:{file}:{name}")


def with_cargo(system, name, folder, file):
    """The debug program of this machine in a small base image. Cargo builds only what has changed."""
    if platform.system() != "Linux":
        raise Refusal(f"a program that cargo builds on {platform.system()} does not run in a cluster: build with nix and a builder for Linux (`--from nix`).")
    builder = first_of(["docker", "podman"], "a builder of images")
    run("cargo", "build", "--locked", cwd=system.root)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or system.root / "target")
    program = system.root / target / "debug/generic-consumer"
    context = folder / "context"
    context.mkdir()
    # Without what debuggers need it is a third as large.
    if has("strip"):
        run("strip", "-o", context / "generic-consumer", program)
    else:
        shutil.copy(program, context)
    run(builder, "build", "--quiet", "--tag", name, "--file", DOCKERFILE, context)
    starts, why = output(builder, "run", "--rm", name, "--version")
    if not starts:
        raise Refusal(f"the program does not start in the image: this machine's C library is newer than that of {DOCKERFILE.name}'s base, "
                      f"or something else is missing there. Build with nix (`--from nix`). It says: {why.strip()}")
    run(builder, "save", "--output", file, name)
