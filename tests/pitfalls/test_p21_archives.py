"""P21: no saved file can run code, and a changed one is refused."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dpsynth._archive import read_archive, write_archive
from dpsynth.errors import StorageError

KIND = "test/1"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    write_archive(tmp_path / "a.zip", kind=KIND, header={"a": 1}, arrays={"x": np.arange(6).reshape(2, 3)})
    return tmp_path / "a.zip"


def rewrite(path: Path, **members: bytes | None) -> None:
    with zipfile.ZipFile(path) as archive:
        content: dict[str, Any] = {name: archive.read(name) for name in archive.namelist()}
    content |= {name.replace("__", "."): data for name, data in members.items()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            if data is not None:
                archive.writestr(name, data)


def test_round_trip_and_equal_bytes(saved: Path) -> None:
    header, arrays = read_archive(saved, kind=KIND)
    assert header == {"a": 1}
    assert arrays["x"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert not arrays["x"].flags.writeable
    again = saved.with_name("b.zip")
    write_archive(again, kind=KIND, header=header, arrays=arrays)
    assert again.read_bytes() == saved.read_bytes()


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("ran",))


def test_a_pickled_array_is_refused(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Bomb()], dtype=object), allow_pickle=True)
    manifest = json.loads(zipfile.ZipFile(saved).read("manifest.json"))
    import hashlib

    manifest["members"]["x.npy"] = {
        "bytes": len(buffer.getvalue()),
        "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
    }
    rewrite(saved, x__npy=buffer.getvalue(), manifest__json=json.dumps(manifest).encode())
    with pytest.raises(StorageError):
        read_archive(saved, kind=KIND)
    assert "ran" not in capsys.readouterr().out


def test_changed_missing_extra_and_foreign_members_are_refused(saved: Path, tmp_path: Path) -> None:
    original = saved.read_bytes()
    data = zipfile.ZipFile(saved).read("x.npy")
    for members in (
        {"x__npy": data[:-1] + b"\x09"},
        {"x__npy": data + b"\x00"},
        {"x__npy": None},
        {"extra__npy": data},
        {"manifest__json": b"{}"},
        {"manifest__json": b"[1"},
        {"manifest__json": b'{"kind": "test/1", "header": {}, "members": []}'},
        {"manifest__json": b"[" * 100_000},
        {"manifest__json": None},
    ):
        saved.write_bytes(original)
        rewrite(saved, **members)
        with pytest.raises(StorageError):
            read_archive(saved, kind=KIND)
    saved.write_bytes(original)
    with pytest.raises(StorageError, match="kind"):
        read_archive(saved, kind="other/1")
    saved.write_bytes(original[: len(original) // 2])
    with pytest.raises(StorageError):
        read_archive(saved, kind=KIND)
    with pytest.raises(StorageError):
        read_archive(tmp_path / "none.zip", kind=KIND)


def test_a_write_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="another folder"):
        write_archive(tmp_path / "no" / "a.zip", kind=KIND, header={}, arrays={})
    target = tmp_path / "taken"
    target.mkdir()
    with pytest.raises(StorageError):
        write_archive(target, kind=KIND, header={}, arrays={})
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_any_changed_byte_is_refused_or_changes_nothing(saved: Path) -> None:
    original = saved.read_bytes()
    expected = read_archive(saved, kind=KIND)[1]["x"].tolist()
    for place in range(len(original)):
        saved.write_bytes(original[:place] + bytes([original[place] ^ 0x55]) + original[place + 1 :])
        try:
            header, arrays = read_archive(saved, kind=KIND)
        except StorageError:
            continue
        assert header == {"a": 1}  # a time stamp or an unused field of the container
        assert arrays["x"].tolist() == expected
