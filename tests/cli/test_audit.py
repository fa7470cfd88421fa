"""`dpsynth audit` from the outside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from auditing.broken_library import cheap_event
from typer.testing import CliRunner

from dpsynth import auditing
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
    ("method", "level", "function", "option", "argument"),
    [
        ("independent", "sampler", "audit_sampler", "draws", "draws"),
        ("independent", "end-to-end", "audit_runs", "runs", "runs"),
        pytest.param("dpvae", "end-to-end", "audit_canaries", "runs", "canaries", marks=pytest.mark.slow),
    ],
)
def test_other_levels_are_handed_on(
    method: str, level: str, function: str, option: str, argument: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, object]] = []
    evidence = audit_structure(Independent())

    def audited(generator: Any, **more: object) -> Evidence:
        calls.append(more)
        return evidence

    monkeypatch.setattr(auditing, function, audited)
    assert run(method, "--level", level, f"--{option}", 7).exit_code == 0
    assert run(method, "--level", level).exit_code == 0
    assert [call.get(argument) for call in calls] == [7, None]


def test_an_unknown_level_is_refused() -> None:
    result = run("independent", "--level", "deep")
    assert result.exit_code == 1
    assert "level" in str(result.exception)
