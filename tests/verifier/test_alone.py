"""The verifier runs without dpsynth: as a copy of its folder, and as one file."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import cryptography
import pytest
from certified import Release
from cryptography.hazmat.bindings import _rust

import dpsynth
from dpsynth.verifier.__main__ import main
from dpsynth.verifier.packed import write_zipapp

HEAVY = {"dpsynth", "numpy", "pandas", "scipy", "pyarrow", "typer", "rich", "jsonschema", "mpmath"}


def packages(place: Path) -> Path:
    """A folder with `cryptography` and what it needs, and nothing else of this environment."""
    folder = Path(cryptography.__file__).parent
    place.mkdir()
    for item in folder.parent.iterdir():
        if item.name.startswith(("cryptography", "cffi", "_cffi", "pycparser")):
            (place / item.name).symlink_to(item)
    assert Path(_rust.__file__).is_relative_to(folder)
    return place


def run(arguments: list[str], *paths: Path) -> subprocess.CompletedProcess[str]:
    """Run in an isolated interpreter without site packages, then tell which modules it had loaded."""
    code = (
        "import atexit, json, runpy, sys\n"
        f"sys.path[:0] = {[str(path) for path in paths]!r}\n"
        "atexit.register(lambda: print(json.dumps(sorted({n.partition('.')[0] for n in sys.modules})), file=sys.stderr))\n"
        f"sys.argv = {arguments!r}\n"
        "if sys.argv[0].endswith('.pyz'):\n"
        "    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "else:\n"
        "    runpy.run_module('verifier', run_name='__main__', alter_sys=True)\n"
    )
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False, cwd=paths[0]
    )


def assert_verifies(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["ok"] is True
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    assert "cryptography" in loaded
    assert loaded.isdisjoint(HEAVY)


@pytest.fixture
def arguments(release: Release) -> list[str]:
    return [str(release.folder), "--trust", str(release.public), "--ledger", str(release.ledger), "--json"]


def test_a_copy_of_the_folder_runs_alone(tmp_path: Path, arguments: list[str]) -> None:
    place = tmp_path / "alone"
    shutil.copytree(Path(dpsynth.__file__).parent / "verifier", place / "verifier")
    assert_verifies(run(["verifier", *arguments], place, packages(tmp_path / "packages")))


def test_one_file_runs_alone(tmp_path: Path, arguments: list[str]) -> None:
    write_zipapp(tmp_path / "verify.pyz")
    assert_verifies(run([str(tmp_path / "verify.pyz"), *arguments], packages(tmp_path / "packages")))


def test_the_file_runs_as_python_runs_it(tmp_path: Path, arguments: list[str]) -> None:
    write_zipapp(tmp_path / "verify.pyz")
    command = [sys.executable, str(tmp_path / "verify.pyz"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_equal_sources_give_equal_files(tmp_path: Path) -> None:
    write_zipapp(tmp_path / "a.pyz")
    write_zipapp(tmp_path / "b.pyz")
    assert (tmp_path / "a.pyz").read_bytes() == (tmp_path / "b.pyz").read_bytes()
    names = zipfile.ZipFile(tmp_path / "a.pyz").namelist()
    assert {"__main__.py", "verifier/__main__.py", "verifier/certificate.schema.json"} <= set(names)
    assert not any("pycache" in name for name in names)
    with pytest.raises(FileExistsError):
        write_zipapp(tmp_path / "a.pyz")


def test_the_file_can_write_itself_again(tmp_path: Path) -> None:
    write_zipapp(tmp_path / "a.pyz")
    code = f"import sys; sys.path.insert(0, {str(tmp_path / 'a.pyz')!r})\nfrom verifier.packed import write_zipapp\nwrite_zipapp('b.pyz')"
    subprocess.run([sys.executable, "-I", "-c", code], check=True, cwd=tmp_path)
    assert (tmp_path / "a.pyz").read_bytes() == (tmp_path / "b.pyz").read_bytes()


def test_the_exit_status_is_the_verdict(
    release: Release, arguments: list[str], capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text('{"max_epsilon": 1}')
    assert main(arguments) == 0
    assert main([str(release.folder), "--any-key"]) == 0
    assert main([str(release.folder)]) == 1
    assert main([*arguments, "--policy", str(policy)]) == 1
    assert main([str(tmp_path)]) == 1
    assert b"NOT VERIFIED" in capfdbinary.readouterr().out
    with pytest.raises(SystemExit):
        main([])
