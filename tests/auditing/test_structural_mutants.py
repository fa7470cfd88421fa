"""Every broken twin fails the audit, by the check that is for it; what it was made from passes."""

from __future__ import annotations

from pathlib import Path

import pytest
from auditing.broken_generators import Training
from auditing.structural_mutants import BUDGET, MUTANTS, ROW, Mutant, rows

from dpsynth.auditing import Evidence, audit_discovery, audit_structure, discovery, made_up, structural
from dpsynth.generators.base import Generator
from dpsynth.generators.independent import Independent
from dpsynth.generators.mst import MST


def only(monkeypatch: pytest.MonkeyPatch, ground: int) -> None:
    """Audit on one kind of made-up tables."""
    grounds = made_up.grounds

    def one(seed: int = 5) -> tuple[made_up.Neighbours, ...]:
        return (grounds(seed)[ground],)

    for module in (structural, discovery):
        monkeypatch.setattr(module, "grounds", one)


def audited(mutant: Mutant) -> Evidence:
    if mutant.generator is None:
        return audit_discovery()
    return audit_structure(mutant.generator(), budget=BUDGET)


@pytest.mark.parametrize("generator", [Independent(), MST(), Training()], ids=lambda one: one.name)
def test_what_the_twins_are_made_from_passes(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, ROW)
    assert audit_structure(generator, budget=BUDGET).failed == ()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_broken_twin_is_caught(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, mutant.ground)
    mutant.install(monkeypatch)
    evidence = audited(mutant)
    assert evidence.verdict == "fail"
    assert mutant.check in {check.name for check in evidence.failed}, evidence.in_words()


def test_there_are_many_and_each_has_its_own_name() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 14


def test_the_page_names_them_all() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "explanation" / "auditing.md").read_text()
    assert [row for row in rows() if row not in page.splitlines()] == []
