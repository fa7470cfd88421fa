"""Audits pass our code and fail each broken twin, at the level that must catch it."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from dpsynth.auditing import sampler
from dpsynth.testing import insecure_noise

from .sampling_mutants import MUTANTS, Mutant

SEED = 3


@pytest.mark.parametrize(
    "mutant",
    [pytest.param(each, marks=[pytest.mark.slow] * each.slow, id=each.name) for each in MUTANTS],
)
def test_the_original_passes_and_the_mutant_fails(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    forks = mutant.pitfall == "P23"  # a fork copies the noise of tests too: only real noise can pass
    if not forks:
        monkeypatch.setattr(sampler, "checks_of_copies", tuple)
    with nullcontext() if forks else insecure_noise(SEED):
        original = mutant.audit()
    with nullcontext() if forks else insecure_noise(SEED), mutant.alive():
        broken = mutant.audit()
    assert original.verdict == "pass", original.in_words()
    assert broken.verdict == "fail", broken.in_words()
    assert {original.level, broken.level} == {mutant.level}


def test_there_are_mutants_of_each_level_and_their_names_differ() -> None:
    assert {each.level for each in MUTANTS} == {"sampler", "end-to-end"}
    assert len({each.name for each in MUTANTS}) == len(MUTANTS) >= 9
