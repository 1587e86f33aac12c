"""Runs the program of an image as a process, with the image's own contracts and environments, to judge
an instance's .env as its pods will. The image comes from the registry by digest (skopeo,
REGISTRY_AUTH_FILE); nothing is installed, and no container is started."""

import errno
import json
import pathlib
import platform
import shutil
import struct
import subprocess
import tarfile

import temporary
from refusal import Refusal

SKOPEO = ["skopeo", "--insecure-policy"]


class Checkout:
    """A program on this machine, with the contracts of the commit that is judged."""

    def __init__(self, program):
        self.program = pathlib.Path(program).resolve()

    def judge(self, root, described, arguments, variables):
        return run([self.program, *arguments], root, variables)


class Images:
    """Images that are extracted when they are first needed. `program` replaces their program, on a
    machine that cannot run it."""

    def __init__(self, program=None):
        self.program = program
        self.temporary = temporary.folder("images.")

    def __enter__(self):
        self.folder = self.temporary.__enter__()
        self.images = {}
        return self

    def __exit__(self, *raised):
        return self.temporary.__exit__(*raised)

    def judge(self, root, described, arguments, variables):
        image = self.image(described["image"], described["digest"])
        if self.program:
            print(f"judged by {self.program}, which may differ from the program of {described['digest']}", flush=True)
            return run([pathlib.Path(self.program).resolve(), *arguments], image.work, variables)
        try:
            return run([*image.command, *arguments], image.work, variables)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            raise Refusal(
                f"the image is for {image.architecture} and this machine is {platform.machine()}, which cannot run its program: "
                "use an agent of that architecture, or set GENERIC_CONSUMER to the path of the same program for this machine."
            ) from None

    def image(self, place, digest):
        if (place, digest) not in self.images:
            folder = self.folder / str(len(self.images))
            folder.mkdir()
            self.images[place, digest] = Image(place, digest, folder)
        return self.images[place, digest]


class Image:
    def __init__(self, place, digest, folder):
        pulled, self.root = folder / "pulled", folder / "root"
        self.root.mkdir()
        # skopeo compares the digests of the manifest, of its configuration and of every layer.
        command = [*SKOPEO, "copy", "--quiet", "--dest-decompress", f"docker://{place}@{digest}", f"dir:{pulled}"]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
        if done.returncode != 0:
            raise Refusal(f"cannot fetch the image {place}@{digest}, whose program and contracts judge the .env: {done.stderr.strip()}")
        manifest = json.loads((pulled / "manifest.json").read_text())
        blob = lambda entry: pulled / entry["digest"].partition(":")[2]
        try:
            for layer in manifest["layers"]:
                extract(blob(layer), self.root)
        except tarfile.TarError as error:
            raise Refusal(f"cannot unpack the image {place}@{digest}: {error}") from None
        described = json.loads(blob(manifest["config"]).read_text())
        shutil.rmtree(pulled)
        self.architecture = f"{described.get('os')}/{described.get('architecture')}"
        config = described["config"]
        self.work = within(self.root, config.get("WorkingDir") or "/")
        program = within(self.root, config["Entrypoint"][0])
        self.command = [*loader(self.root, program), program]


def run(command, folder, variables):
    command = [str(part) for part in command]
    try:
        return subprocess.run(command, cwd=folder, env=variables, capture_output=True, encoding="utf-8", errors="replace", timeout=120)
    except subprocess.TimeoutExpired:
        raise Refusal(f"{' '.join(command)}: not finished after two minutes") from None


def within(root, path):
    """A path of the image, as a path of this machine that does not leave the image."""
    found = (root / str(path).lstrip("/")).resolve()
    if not found.is_relative_to(root):
        raise Refusal(f"the image's {path} leads out of it.")
    return found


def extract(layer, root):
    """Unpacks a layer, without owners, devices and the permissions of other users."""
    with tarfile.open(layer) as tar:
        for member in tar:
            name = pathlib.PurePosixPath("/", member.name)
            if ".." in name.parts or name.name.startswith(".wh."):
                raise Refusal(f"the image has a file {member.name}: our images neither leave their root nor delete files of lower layers.")
            target = within(root, name.parent) / name.name
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_symlink() or target.exists():
                target.unlink()
            if member.issym():
                # An absolute link leads into the image, not to this machine's files.
                up = "../" * (len(target.relative_to(root).parts) - 1)
                target.symlink_to(up + member.linkname.lstrip("/") if member.linkname.startswith("/") else member.linkname)
            elif member.islnk():
                shutil.copyfile(within(root, member.linkname), target)
                target.chmod(within(root, member.linkname).stat().st_mode)
            elif member.isfile():
                with tar.extractfile(member) as source, open(target, "wb") as file:
                    shutil.copyfileobj(source, file)
                target.chmod(0o700 if member.mode & 0o111 else 0o600)


def loader(root, program):
    """How to start a program with the image's own dynamic loader and libraries, whose paths in it
    (/nix/store/…) this machine does not have; nothing for a program that needs none."""
    interpreter = interpreter_of(program)
    if interpreter is None:
        return []
    folders = sorted({str(file.parent) for file in root.rglob("*.so*") if file.is_file()})
    return [within(root, interpreter), "--inhibit-cache", "--library-path", ":".join(folders)]


def interpreter_of(program):
    """The path of the dynamic loader that an ELF file names (PT_INTERP); None if it names none."""
    with open(program, "rb") as file:
        head = file.read(64)
        if head[:4] != b"\x7fELF" or head[4] != 2:
            return None
        order = "<" if head[5] == 1 else ">"
        (table,) = struct.unpack_from(order + "Q", head, 32)
        size, count = struct.unpack_from(order + "HH", head, 54)
        for index in range(count):
            file.seek(table + index * size)
            entry = file.read(size)
            (kind,) = struct.unpack_from(order + "I", entry)
            if kind == 3:
                offset, length = struct.unpack_from(order + "Q", entry, 8)[0], struct.unpack_from(order + "Q", entry, 32)[0]
                file.seek(offset)
                return file.read(length).rstrip(b"\0").decode()
    return None
