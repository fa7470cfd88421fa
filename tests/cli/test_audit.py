"""`dpsynth audit` from the outside."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from auditing.broken_library import cheap_event
from typer.testing import CliRunner

from dpsynth.auditing import Evidence, audit_structure, made_up, structural
from dpsynth.cli.app import app
from dpsynth.generators.independent import Independent


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["audit", *map(str, arguments)])


@pytest.fixture(autouse=True)
def one_ground(monkeypatch: pytest.MonkeyPatch) -> None:
    first = made_up.grounds()[:1]
    monkeypatch.setattr(structural, "grounds", lambda _: first)


def test_a_method_that_passes_is_told_in_words_and_in_a_file(tmp_path: Path) -> None:
    result = run("independent", "--out", tmp_path / "evidence.json")
    assert result.exit_code == 0, result.output
    assert "Structural audit of independent: PASS" in result.output
    assert "pass  sensitivity:" in result.output
    (written,) = json.loads((tmp_path / "evidence.json").read_text())
    assert Evidence.from_json(written) == audit_structure(Independent())


def test_a_failed_check_is_exit_code_one(monkeypatch: pytest.MonkeyPatch) -> None:
    cheap_event(monkeypatch)
    result = run("independent", "--json")
    assert result.exit_code == 1
    assert json.loads(result.output)[0]["verdict"] == "fail"


@pytest.mark.parametrize(
    ("level", "module", "function", "option", "number"),
    [
        ("sampler", "dpsynth.auditing.sampler", "audit_sampler", "draws", 50),
        ("end-to-end", "dpsynth.auditing.end_to_end", "audit_runs", "runs", 7),
    ],
)
def test_other_levels_are_handed_on(
    level: str, module: str, function: str, option: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, object]] = []

    def audited(generator: Any, **more: object) -> Evidence:
        calls.append(more)
        return audit_structure(generator)

    monkeypatch.setitem(sys.modules, module, _module(module, function, audited))
    assert run("independent", "--level", level, f"--{option}", number).exit_code == 0
    assert run("independent", "--level", level).exit_code == 0
    assert [call.get(option) for call in calls] == [number, None]


def test_an_unknown_level_is_refused() -> None:
    result = run("independent", "--level", "deep")
    assert result.exit_code == 1
    assert "level" in str(result.exception)


def _module(name: str, function: str, act: Callable[..., object]) -> ModuleType:
    module = ModuleType(name)
    setattr(module, function, act)
    return module
