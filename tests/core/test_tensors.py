from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from dpsynth import _lazy
from dpsynth._tensors import read_tensors, write_tensors
from dpsynth.errors import MissingExtraError, StorageError

ARRAYS = {
    "b": np.arange(6.0).reshape(2, 3),
    "a": np.array([1, 2, 3], np.int16),
    "none": np.zeros((0, 4), np.float32),
    "turned": np.arange(6, dtype=np.int64).reshape(2, 3).T,
}


def written(path: Path) -> Path:
    write_tensors(path, kind="thing/1", header={"x": [1, "two"]}, arrays=ARRAYS)
    return path


def test_what_is_written_comes_back_in_a_format_that_others_read(tmp_path: Path) -> None:
    path = written(tmp_path / "a.safetensors")
    header, arrays = read_tensors(path, kind="thing/1")
    assert header == {"x": [1, "two"]}
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype
        assert not arrays[name].flags.writeable
    assert load_file(path)["a"].tolist() == [1, 2, 3]
    assert path.read_bytes() == written(tmp_path / "b.safetensors").read_bytes()


def test_what_is_no_such_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.safetensors")
    with pytest.raises(StorageError, match="kind"):
        read_tensors(path, kind="thing/2")
    changed = load_file(path)
    changed["a"] = changed["a"] + 1
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    save_file(changed, tmp_path / "changed.safetensors", metadata=metadata)
    with pytest.raises(StorageError, match="changed after"):
        read_tensors(tmp_path / "changed.safetensors", kind="thing/1")
    save_file(changed, tmp_path / "bare.safetensors")
    (tmp_path / "short.safetensors").write_bytes(path.read_bytes()[:-5])
    for name in ("bare", "short", "missing"):
        with pytest.raises(StorageError, match="damaged"):
            read_tensors(tmp_path / f"{name}.safetensors", kind="thing/1")


def test_a_missing_package_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(_lazy.importlib, "import_module", nothing)
    with pytest.raises(MissingExtraError, match="deep"):
        written(tmp_path / "a.safetensors")
    with pytest.raises(MissingExtraError, match="deep"):
        read_tensors(tmp_path / "a.safetensors", kind="thing/1")
