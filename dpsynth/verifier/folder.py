"""The files of a release: exactly those that the certificate names, each with its digest.

Nothing outside the folder is opened: a name has no slash and no leading dot, and a link is refused.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from .verdict import Statement, failed, recomputed

__all__ = ["ENVELOPE", "FolderError", "check_files", "opened", "read_small"]

ENVELOPE = "certificate.dsse.json"
_NEEDED = ("data.parquet", "schema.json")
_BLOCK = 2**20
_LARGEST_SMALL = 64 * 2**20
_MOST_FILES = 1000


class FolderError(ValueError):
    """A file cannot be read as a plain file of the folder."""


def read_small(folder: Path, name: str) -> bytes:
    """The bytes of a document of the folder, at most 64 MiB.

    Raises:
        FolderError: It is missing, a link, no plain file, or larger.
    """
    with opened(folder, name) as file:
        data = file.read(_LARGEST_SMALL + 1)
    if len(data) > _LARGEST_SMALL:
        raise FolderError(f"{name} is larger than {_LARGEST_SMALL // 2**20} MiB")
    return data


def check_files(folder: Path, subjects: Sequence[Mapping[str, Any]]) -> Iterator[Statement]:
    """Statements on every file: named, there, unchanged, and none besides.

    Args:
        folder: The release.
        subjects: Of the statement, of the right form.
    """
    names = [subject["name"] for subject in subjects]
    if len({name.casefold() for name in (*names, ENVELOPE)}) < len(names) + 1:
        yield failed("files", "the certificate names a file twice, or itself")
        return
    for name in _NEEDED:
        if name not in names:
            yield failed("files", f"the certificate names no {name}")
    present = sorted(entry.name for entry in os.scandir(folder))
    extra = [name for name in present if name not in (*names, ENVELOPE)]
    if extra or len(present) > _MOST_FILES:
        shown = ", ".join(map(repr, extra[:5]))
        yield failed("files", f"the folder holds files that the certificate does not name: {shown}")
    for subject in subjects:
        yield _file(folder, subject["name"], subject["digest"]["sha256"])


def _file(folder: Path, name: str, wanted: str) -> Statement:
    subject = f"file: {name}"
    try:
        with opened(folder, name) as file:
            digest = hashlib.sha256()
            while block := file.read(_BLOCK):
                digest.update(block)
    except FolderError as error:
        return failed(subject, str(error))
    except OSError as error:
        return failed(subject, f"cannot be read ({error.strerror})")
    if digest.hexdigest() != wanted:
        return failed(subject, "was changed: its digest is not the one that was signed")
    return recomputed(subject, "has the digest that was signed")


def opened(folder: Path, name: str) -> BinaryIO:
    """A plain file of the folder, open for reading.

    Raises:
        FolderError: It is missing, a link, or no plain file.
    """
    path = folder / name
    try:
        # Not to wait for a pipe, and not to follow a link that was put there after a first look.
        flags = (
            os.O_RDONLY
            | getattr(os, "O_NOFOLLOW", 0)
            | getattr(os, "O_NONBLOCK", 0)
            | getattr(os, "O_BINARY", 0)
        )
        if path.is_symlink():
            raise FolderError(f"{name} is a link, not a file")
        handle = os.open(path, flags)
    except OSError as error:
        why = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise FolderError(f"{name} {why}") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise FolderError(f"{name} is no plain file")
    return os.fdopen(handle, "rb")
