"""Rules as JSON and YAML documents."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from generators.rules.orders import orders

from dpsynth.errors import ConfigurationError, MissingExtraError, StorageError
from dpsynth.generators.rules import Rules
from dpsynth.generators.rules.patterns import choices_of


@pytest.mark.parametrize("suffix", ["json", "yaml", "yml"])
def test_rules_are_written_and_read_back(tmp_path: Path, suffix: str) -> None:
    rules = Rules.from_json(orders())
    rules.save(tmp_path / f"orders.{suffix}")
    again = Rules.load(tmp_path / f"orders.{suffix}")
    assert again == rules
    assert again.digest() == rules.digest()


def test_yaml_may_be_written_as_people_write_it(tmp_path: Path) -> None:
    path = tmp_path / "visits.yaml"
    path.write_text(
        "name: visits\n"
        "columns:\n"
        "  - {name: day, kind: date, minimum: 2024-01-01, maximum: 2024-12-31}\n"
        "  - {name: ward, kind: category, categories: {A: 2, B: 1}}\n"
        "  - {name: floor, kind: category, categories: {1: 2, 2: 1}}\n"
    )
    frame = Rules.load(path).sample(20, seed=1)
    assert set(frame["floor"]) == {1, 2}
    assert frame["day"].dt.year.unique().tolist() == [2024]


def test_yaml_makes_plain_values_only(tmp_path: Path) -> None:
    path = tmp_path / "evil.yaml"
    path.write_text("name: !!python/object/apply:os.system ['touch owned']\ncolumns: []\n")
    with pytest.raises(ConfigurationError, match="no YAML document"):
        Rules.load(path)


def test_without_yaml_json_still_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Rules.from_json(orders()).save(tmp_path / "orders.json")
    (tmp_path / "orders.yaml").write_text("name: x")
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert Rules.load(tmp_path / "orders.json").name == "orders"
    with pytest.raises(MissingExtraError, match=r"dpsynth\[rules\]"):
        Rules.load(tmp_path / "orders.yaml")


@pytest.mark.parametrize("text", ["{", "[1]", '"x"', "{} {}", "[" * 5000])
def test_what_is_no_document_is_refused(tmp_path: Path, text: str) -> None:
    for name in ("x.json", "x.yaml"):
        (tmp_path / name).write_text(text)
        with pytest.raises(ConfigurationError):
            Rules.load(tmp_path / name)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Cannot read rules"):
        Rules.load(tmp_path / "none.json")
    with pytest.raises(StorageError, match="Cannot write"):
        Rules.from_json(orders()).save(tmp_path / "none" / "x.json")
    with pytest.raises(ConfigurationError, match="lacks its columns"):
        Rules.from_json({"name": "x"})


def test_a_document_is_short() -> None:
    document = Rules.from_json(orders()).to_json()
    assert document["columns"][0] == {"name": "order", "kind": "key", "pattern": "O-######"}
    assert json.loads(json.dumps(document)) == document


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("C-#", ("C", "-", "0123456789")),
        (r"\#\?\[\\", ("#", "?", "[", "\\")),
        ("[ab]é", ("ab", "é")),
    ],
)
def test_patterns(pattern: str, expected: tuple[str, ...]) -> None:
    assert choices_of(pattern, where="x") == expected


@pytest.mark.parametrize("pattern", ["[", "]", "[]", "a\\", "[[a]]", "[a", "#" * 201])
def test_patterns_that_cannot_be_read(pattern: str) -> None:
    with pytest.raises(ConfigurationError, match="Column 'x'"):
        choices_of(pattern, where="Column 'x'")
