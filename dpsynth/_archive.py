"""One container for everything that is saved: a zip of one JSON manifest and plain arrays.

No pickle (pitfall P21). Every member is listed with its size and SHA-256 in the manifest, sizes are
bounded before anything is unpacked, and a file appears under its name only when it is complete.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from dpsynth.errors import StorageError

__all__ = ["read_archive", "write_archive", "write_atomically"]

_MANIFEST = "manifest.json"
_LARGEST_MANIFEST = 64 * 2**20
_LARGEST_ARRAY = 4 * 2**30
_EPOCH = (1980, 1, 1, 0, 0, 0)
Arrays = dict[str, "np.ndarray[Any, Any]"]
# All that a damaged or hostile file has been seen to raise while it is taken apart.
_BROKEN = (
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    AttributeError,
    EOFError,
    KeyError,
    RuntimeError,
    TypeError,
    ValueError,
)


def write_atomically(path: str | Path, write: Callable[[BinaryIO], object], *, mode: int = 0o644) -> None:
    """Call `write` on a temporary file beside `path`, then rename it: all of the file or none.

    Until then only its owner may read it; then whom `mode` allows.

    Raises:
        StorageError: The folder does not exist, is not writable, or the disk is full.
    """
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise StorageError(
            f"Cannot write {str(target)!r}: {error.strerror}. Choose another folder."
        ) from error
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(target)
        _settle(target.parent)
    except OSError as error:
        raise StorageError(
            f"Cannot write {str(target)!r}: {error.strerror or error}. Free some space."
        ) from error
    finally:
        Path(name).unlink(missing_ok=True)


def _settle(folder: Path) -> None:
    """Make the names in a folder survive a power cut, where a folder can be synchronised."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _array_bytes(array: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def _add(archive: zipfile.ZipFile, name: str, data: bytes, compression: int) -> None:
    # A fixed time stamp: equal content gives equal bytes, which the replay test compares.
    info = zipfile.ZipInfo(name, date_time=_EPOCH)
    info.compress_type = compression
    archive.writestr(info, data)


def write_archive(
    path: str | Path,
    *,
    kind: str,
    header: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray[Any, Any]],
    compressed: bool = True,
) -> None:
    """Write `header` and `arrays` to `path`.

    Args:
        path: Where to write.
        kind: What the file is, with its format version, for example `dpsynth-model/1`.
        header: JSON values.
        arrays: Numeric arrays by name.
        compressed: False is several times faster, for what is written again and again.
    """
    compression = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    members = {f"{name}.npy": _array_bytes(array) for name, array in arrays.items()}
    manifest = {
        "kind": kind,
        "header": header,
        "members": {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in members.items()
        },
    }

    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            _add(archive, _MANIFEST, json.dumps(manifest, sort_keys=True).encode(), compression)
            for name, data in members.items():
                _add(archive, name, data, compression)

    write_atomically(path, write)


def _member(archive: zipfile.ZipFile, name: str, expected: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    size, digest = expected["bytes"], expected["sha256"]
    if not 0 <= size <= _LARGEST_ARRAY or archive.getinfo(name).file_size != size:
        raise StorageError(f"The member {name!r} does not have the size that the manifest states.")
    data = archive.read(name)
    if hashlib.sha256(data).hexdigest() != digest:
        raise StorageError(f"The member {name!r} was changed after it was written.")
    array: np.ndarray[Any, Any] = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    array.flags.writeable = False
    return array


def _read(archive: zipfile.ZipFile, kind: str) -> tuple[dict[str, Any], Arrays]:
    if archive.getinfo(_MANIFEST).file_size > _LARGEST_MANIFEST:
        raise StorageError("The manifest is too large to be one.")
    manifest = json.loads(archive.read(_MANIFEST))
    if manifest["kind"] != kind:
        raise StorageError(f"Expected a file of kind {kind!r}, this one says {manifest['kind']!r}.")
    members = manifest["members"]
    if {_MANIFEST, *members} != set(archive.namelist()):
        raise StorageError("The file holds other members than its manifest lists.")
    arrays = {
        name.removesuffix(".npy"): _member(archive, name, expected) for name, expected in members.items()
    }
    return manifest["header"], arrays


def read_archive(path: str | Path, *, kind: str) -> tuple[dict[str, Any], Arrays]:
    """Read what `write_archive` wrote.

    Raises:
        StorageError: No such file, another kind or version, damaged, or changed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive, kind)
    except StorageError:
        raise
    except _BROKEN as error:
        raise StorageError(
            f"Cannot read {str(path)!r}: it does not exist, is damaged, or is no dpsynth file."
        ) from error
