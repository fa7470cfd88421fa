"""Many whole runs on two neighbouring tables, and an attacker who sees everything that each run gave out.

After Nasr et al. (2023) and Annamalai, Ganev and De Cristofaro (2024): a method of counts is as leaky as it
may be on a small table that was made for the attack, and the attacker knows everything but one row.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dpsynth import _validate
from dpsynth.auditing.evidence import Check, Claim, Evidence, configuration_digest
from dpsynth.auditing.gdp_bound import claimed_mu, epsilon_bound, epsilon_of, mu_bound
from dpsynth.auditing.laws import Noisy, laws, log_likelihood
from dpsynth.auditing.recorded import TAINTED, Run, Runs
from dpsynth.auditing.worst_cases import MadeUp, Neighbours, balanced
from dpsynth.generators.base import Generator, Model
from dpsynth.privacy.budget import Budget
from dpsynth.session import Guarantee, Replay

__all__ = ["audit_runs"]

_BUDGET = Budget(epsilon=1.0, delta=1e-2)
_REPLAYED = 2  # runs on each side whose model is made again from the transcript
_UNLIKELY = 6.0  # below 1e-6, equal answers are taken for a copy
_RNG = 0


def audit_runs(
    generator: Generator,
    *,
    budget: Budget = _BUDGET,
    runs: int = 2000,
    neighbours: Neighbours | None = None,
) -> Evidence:
    """Run a method on two neighbours in turn, guess from each release which it was, and bound mu from below.

    The guess is that of the likelihood ratio of all noisy answers and choices, white-box, with its threshold
    at 1: both are fixed before the first run. What the model adds to the answers is nothing, which is checked
    by making it again from the transcript. The bound and its proof are in `gdp_bound`; where the plan has no
    mu, the bound is on epsilon directly. Whatever the likelihood ratio is worth, the bound is valid.

    Args:
        generator: The configured method. What it trains on rows is not looked at here: see `audit_canaries`.
        budget: What each run may spend.
        runs: In all, half of them on each table.
        neighbours: The tables; `balanced()` if there are none.

    Raises:
        ConfigurationError: The method asks something whose law the audit does not know.
    """
    case = balanced() if neighbours is None else neighbours
    game = Runs(generator, budget)
    right, checked, guarantee, first = 0, True, None, list[Run]()
    for number in range(_validate.count("runs", runs, least=2)):
        present = number % 2 == 1
        run = game.on(case.present if present else case.without, rng=_RNG)
        right += present == (_log_ratio(run, case) > 0)
        if number < 2 * _REPLAYED:
            checked = checked and _same(run.model, generator.fit(Replay(run.transcript), rng=_RNG))
            first.append(run)
        guarantee = run.guarantee
    assert guarantee is not None  # noqa: S101 - runs >= 2
    found = _Found(
        guarantee=guarantee,
        mu=claimed_mu(generator.plan(case.without.schema, budget)),
        right=right,
        runs=runs,
    )
    replayed = Check(
        name="nothing beside the answers",
        passed=checked,
        detail=f"{len(first)} models were made again from their transcripts without any table",
    )
    return found.evidence(generator, case, replayed, _own_noise(first[::2], case.without))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Found:
    """What the guesses say about the claim."""

    guarantee: Guarantee
    mu: float | None
    right: int
    runs: int

    def evidence(self, generator: Generator, case: Neighbours, *others: Check) -> Evidence:
        delta = self.guarantee.delta
        claim = Claim(epsilon=self.guarantee.epsilon, delta=delta, mu=self.mu)
        if self.mu is None:
            bound_mu = ceiling_mu = None
            bound = epsilon_bound(self.right, self.runs, delta=delta)
            ceiling = epsilon_bound(self.runs, self.runs, delta=delta)
            kept, blind = bound <= claim.epsilon, ceiling <= claim.epsilon
        else:
            bound_mu, ceiling_mu = mu_bound(self.right, self.runs), mu_bound(self.runs, self.runs)
            bound, ceiling = epsilon_of(bound_mu, delta), epsilon_of(ceiling_mu, delta)
            kept, blind = bound_mu <= self.mu, ceiling_mu <= self.mu
        return Evidence(
            audit="many-runs-gdp/1",
            level="end-to-end",
            method=generator.name,
            configuration=configuration_digest(generator),
            threat_model=_threat(case, self.runs, tainted=bool(self.guarantee.taints)),
            claim=claim,
            runs=self.runs,
            lower_bound=bound,
            lower_bound_mu=bound_mu,
            ceiling=ceiling,
            ceiling_mu=ceiling_mu,
            checks=(
                Check(
                    name="lower bound",
                    passed=kept,
                    detail=f"{self.right} of {self.runs} guesses were right; the bound is within the claim"
                    if kept
                    else f"{self.right} of {self.runs} guesses were right; the bound is above the claim",
                ),
                Check(name="could have failed", passed=not blind, detail="the ceiling is above the claim"),
                Check(
                    name="price",
                    passed=self.guarantee.holds(),
                    detail="the guarantee covers its events, priced again",
                ),
                *others,
            ),
        )


def _log_ratio(run: Run, case: Neighbours) -> float:
    """Logarithm of how much likelier everything that the run gave out is with the row than without."""
    return sum(
        log_likelihood(each.mechanism, each.measurement, case.present)
        - log_likelihood(each.mechanism, each.measurement, case.without)
        for each in run.answered
    )


def _own_noise(runs: Sequence[Run], made: MadeUp) -> Check:
    """Whether runs on one table gave different answers, where chance would hardly make them agree.

    Two rounded Gaussians of one sigma are equal with a probability of at most 1 / (2 sqrt(pi) sigma) and a
    rounded Laplace number of scale b equals another with at most 1 / (4 b).
    """
    scales = [
        (law.scale * (2 * math.sqrt(math.pi) if law.law == "gaussian" else 4), law.exact.size)
        for each in runs[0].answered
        for law in laws(each.mechanism, each.measurement, made)
        if isinstance(law, Noisy)
    ]
    unlikely = sum(size * math.log10(max(scale, 1.0)) for scale, size in scales)
    given = {
        b"".join(np.ascontiguousarray(v).tobytes() for each in run.answered for v in each.measurement.values)
        for run in runs
    }
    detail = f"equal answers of {len(runs)} runs are less likely than 1e-{max(0.0, unlikely - 1):.0f}"
    passed = len(given) == len(runs) or unlikely < _UNLIKELY
    return Check(name="noise of its own", passed=passed, detail=detail)


def _same(left: Model, right: Model) -> bool:
    """Whether two models are equal in every number that they store."""
    (left_header, left_arrays), (right_header, right_arrays) = left.state(), right.state()
    return (
        json.dumps(left_header, sort_keys=True) == json.dumps(right_header, sort_keys=True)
        and left_arrays.keys() == right_arrays.keys()
        and all(np.array_equal(left_arrays[name], right_arrays[name]) for name in left_arrays)
    )


def _threat(case: Neighbours, runs: int, *, tainted: bool) -> str:
    return (
        f"{runs} independent runs, each a session with noise of its own, half of them with a row that the "
        f"other half lacks: {case.name}. The neighbours differ by {case.present.unit}. The attacker chose "
        "the table and the row, knows the method and its parameters, and sees every noisy answer, every "
        "choice and the model. What is trained on rows is not looked at. Bounds on epsilon take the "
        f"trade-off as Gaussian.{TAINTED if tainted else ''}"
    )
