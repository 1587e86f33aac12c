"""Refuses what is neither a file nor a folder: links, submodules, pipes. A link may lead to any file of
the machine that follows it, and so bring that file into the image or into git."""

import os
import pathlib
import stat

from refusal import Refusal
from repository import git

# The modes by which git tells these from files.
LINK, SUBMODULE = "120000", "160000"


def refuse_in_commit(folder, revision, path="."):
    """Refuses links and submodules under a path of a commit. A checkout shows a submodule as an empty
    folder."""
    listed = git(folder, "ls-tree", "-r", "-z", "--full-tree", revision, "--", path).stdout
    for entry in filter(None, listed.split("\0")):
        mode, name = entry.split(" ")[0], entry.split("\t", 1)[1]
        if mode == LINK:
            raise Refusal(f"{name} is a symbolic link: replace it by the file or folder that it leads to.")
        if mode == SUBMODULE:
            raise Refusal(f"{name} is a submodule, whose files are not part of the commit: commit the files themselves.")


def refuse_in_folder(root, *paths):
    """Refuses what is neither a file nor a folder under the paths, which are relative to `root`, and on
    the way to them. A path that does not exist is accepted."""
    for path in map(pathlib.PurePosixPath, paths):
        for parent in path.parents:
            refuse(root, parent)
        pending = [path]
        while pending:
            name = pending.pop()
            if refuse(root, name) == stat.S_IFDIR:
                pending += [name / entry for entry in sorted(os.listdir(root / name), reverse=True)]


def refuse(root, name):
    """Refuses a link or a pipe; returns what else it is: S_IFDIR, S_IFREG, or None if it does not exist."""
    try:
        kind = stat.S_IFMT(os.lstat(root / name).st_mode)
    except FileNotFoundError:
        return None
    if kind == stat.S_IFLNK:
        raise Refusal(f"{name} is a symbolic link: replace it by the file or folder that it leads to.")
    if kind not in (stat.S_IFDIR, stat.S_IFREG):
        raise Refusal(f"{name} is neither a file nor a folder: delete it.")
    return kind
