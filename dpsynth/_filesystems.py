"""Which file systems are network file systems: their locks cannot be trusted, so a ledger refuses them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

# Also folders that a virtual machine shares with its host (9p, virtiofs, vboxsf), and everything in user
# space (fuse.sshfs, fuse.rclone, ...): there a program of its own decides what a lock means.
_NETWORK = re.compile(
    r"nfs\d*|cifs|smb\d*|smbfs|smb2|ncpfs|ncp|afs|afpfs|coda|ceph|lustre|gpfs|beegfs|orangefs|pvfs2|glusterfs"
    r"|ocfs2|gfs2?|webdav|davfs|sshfs|osxfuse|macfuse|fuse(\..*)?|9p|virtiofs|vboxsf|prl_fs|vmhgfs",
    re.IGNORECASE,
)
_LINUX_MOUNTS = Path("/proc/self/mounts")
_MAC_LINE = re.compile(r".* on (?P<place>/.*) \((?P<kind>[^,()]+)")


def network_filesystem(path: Path) -> str | None:
    """The type of the network file system that holds `path`, a resolved path; None if there is none.

    Linux and macOS say what is mounted where. On other systems the answer is None.
    """
    if sys.platform == "linux":
        kind = kind_of(path, linux_mounts(_text(_LINUX_MOUNTS)))
    elif sys.platform == "darwin":
        kind = kind_of(path, mac_mounts(_output("/sbin/mount")))
    else:
        kind = None
    return kind if kind is not None and _NETWORK.fullmatch(kind) else None


def kind_of(path: Path, mounts: Iterable[tuple[Path, str]]) -> str | None:
    """The type of the deepest mount that holds `path`; of two at one place, that of the later one."""
    found = [
        (len(place.parts), order, kind) for order, (place, kind) in enumerate(mounts) if _holds(place, path)
    ]
    return max(found)[2] if found else None


def linux_mounts(text: str) -> Iterator[tuple[Path, str]]:
    """Place and type of each mount in the text of /proc/mounts."""
    for line in text.splitlines():
        fields = line.split(" ")
        if len(fields) > 2:
            place = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), fields[1])
            yield Path(place), fields[2]


def mac_mounts(text: str) -> Iterator[tuple[Path, str]]:
    """Place and type of each mount in the output of the macOS command `mount`."""
    for line in text.splitlines():
        found = _MAC_LINE.match(line)
        if found:
            yield Path(found["place"]), found["kind"]


def _holds(place: Path, path: Path) -> bool:
    return place == path or place in path.parents


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="surrogateescape")
    except OSError:
        return ""


def _output(command: str) -> str:
    try:
        return subprocess.run(  # noqa: S603 - a fixed path of the system
            [command], capture_output=True, text=True, check=False, timeout=10
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
