"""The same content as `_archive`, in the safetensors format that tools of deep learning read.

Arrays are tensors; the manifest, with a digest of each, is the one entry of the metadata. No pickle.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dpsynth._archive import write_atomically
from dpsynth._lazy import require
from dpsynth.errors import MissingExtraError, StorageError

__all__ = ["SUFFIX", "read_tensors", "write_tensors"]

SUFFIX = ".safetensors"
_MANIFEST = "manifest"
Arrays = dict[str, "np.ndarray[Any, Any]"]


def write_tensors(
    path: str | Path, *, kind: str, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]]
) -> None:
    """Write `header` and `arrays` to `path`; the same content gives the same bytes.

    Raises:
        MissingExtraError: safetensors is not installed.
        StorageError: The file cannot be written.
    """
    numpy = require("safetensors.numpy", extra="deep")
    tensors = {name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())}
    manifest = {
        "kind": kind,
        "header": header,
        "sha256": {name: _digest(tensor) for name, tensor in tensors.items()},
    }
    data: bytes = numpy.save(tensors, metadata={_MANIFEST: json.dumps(manifest, sort_keys=True)})
    write_atomically(path, lambda file: file.write(data))


def read_tensors(path: str | Path, *, kind: str) -> tuple[dict[str, Any], Arrays]:
    """Read what `write_tensors` wrote.

    Raises:
        MissingExtraError: safetensors is not installed.
        StorageError: No such file, another kind or version, damaged, or changed.
    """
    opened = require("safetensors", extra="deep").safe_open
    try:
        with opened(str(path), framework="numpy") as file:
            manifest = json.loads(file.metadata()[_MANIFEST])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        if manifest["kind"] != kind:
            raise StorageError(f"Expected a file of kind {kind!r}, this one says {manifest['kind']!r}.")
        if manifest["sha256"] != {name: _digest(array) for name, array in arrays.items()}:
            raise StorageError("A tensor of the file was changed after it was written.")
        for array in arrays.values():
            array.setflags(write=False)
        return manifest["header"], arrays
    except (StorageError, MissingExtraError):
        raise
    except Exception as error:
        raise StorageError(
            f"Cannot read {str(path)!r}: it does not exist, is damaged, or is no dpsynth file."
        ) from error


def _digest(array: np.ndarray[Any, Any]) -> str:
    told = f"{array.dtype.str} {array.shape} ".encode()
    return hashlib.sha256(told + array.tobytes()).hexdigest()
