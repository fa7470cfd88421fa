"""Size and wording of the files that we ship."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "dpsynth").rglob("*.py"))
SOURCES = [*MODULES, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "benchmarks").rglob("*.py"))]
TEXTS = [
    *SOURCES,
    *(
        path
        for folder in ("docs", ".ci", "benchmarks", "dpsynth")
        for path in sorted((ROOT / folder).rglob("*.md"))
    ),
    *(
        ROOT / name
        for name in ("README.md", "Makefile", "pyproject.toml", "constraints.txt", ".ci/run", ".ci/wheel")
    ),
]

LONGEST = 400
FORBIDDEN_IN_CODE = {
    "pickle": re.compile(r"\b(import|from)\s+(pickle|cPickle|cloudpickle|joblib|dill|marshal|shelve)\b"),
    "allow_pickle=True": re.compile(r"allow_pickle\s*=\s*True"),
    "an unfinished note": re.compile(r"#\s*(TODO|FIXME|XXX|HACK)\b"),
    "the random module": re.compile(r"^\s*(import random\b|from random\b)", re.MULTILINE),
}
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|home|root|Users|mnt)/\w")
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "manager", "misc", "common"}
NOISE_OWNER = re.compile(r"numpy\.random|np\.random\.(?!Generator\b)|import secrets\b|os\.urandom")


def relative(path: Path) -> str:
    """The path from the root, for readable test names."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_no_file_is_too_long_to_read(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_no_module_uses_what_the_house_forbids(path: Path) -> None:
    text = path.read_text()
    assert [what for what, pattern in FORBIDDEN_IN_CODE.items() if pattern.search(text)] == []


@pytest.mark.parametrize("path", TEXTS, ids=relative)
def test_no_text_names_a_path_of_somebodys_machine(path: Path) -> None:
    assert MACHINE_PATH.search(path.read_text()) is None


def test_no_module_has_a_vague_name() -> None:
    assert [relative(path) for path in MODULES if path.stem.strip("_") in VAGUE_NAMES] == []


@pytest.mark.parametrize("room", ["mechanisms", "session"])
def test_no_other_randomness_than_the_keystream_touches_private_data(room: str) -> None:
    owners = {"_keystream.py"}
    offenders = [
        relative(path)
        for path in (ROOT / "dpsynth" / room).rglob("*.py")
        if path.name not in owners and NOISE_OWNER.search(path.read_text())
    ]
    assert offenders == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pickle", "import pickle\n"),
        ("pickle", "    from joblib import dump\n"),
        ("allow_pickle=True", "np.load(path, allow_pickle = True)"),
        ("an unfinished note", "x = 1  # TODO later"),
        ("the random module", "import random\n"),
    ],
)
def test_the_patterns_find_what_they_are_for(name: str, text: str) -> None:
    assert FORBIDDEN_IN_CODE[name].search(text)


@pytest.mark.parametrize(
    "text", ["'" + "/".join(["", "home", "ann", "data.csv"]) + "'", " " + "/".join(["", "root", "x"])]
)
def test_machine_paths_are_found(text: str) -> None:
    assert MACHINE_PATH.search(text)
