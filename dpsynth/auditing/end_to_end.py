"""Many whole runs on two neighbouring tables, and an attacker who sees everything that each run gave out.

After Nasr et al. (2023) and Annamalai, Ganev and De Cristofaro (2024): a method of counts is as leaky as it
may be on a small table that was made for the attack, and the attacker knows everything but one row.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np

from dpsynth import _validate
from dpsynth.auditing.count_scores import count_scores
from dpsynth.auditing.evidence import Check, Claim, Evidence, configuration_digest
from dpsynth.auditing.gdp_bound import (
    betting_bound,
    claimed_mu,
    epsilon_bound,
    epsilon_of,
    mu_bound,
    rate_bound,
)
from dpsynth.auditing.laws import FloatArray, Noisy, laws, log_likelihood
from dpsynth.auditing.recorded import TAINTED, Run, Runs
from dpsynth.auditing.worst_cases import Crowd, MadeUp, Neighbours, crowd
from dpsynth.generators.base import Generator, Model, Rng, random_generator
from dpsynth.privacy.budget import Budget
from dpsynth.session import Guarantee, Replay

__all__ = ["audit_runs"]

_BUDGET = Budget(epsilon=1.0, delta=1e-2)
_LOOKED_AT = 3  # runs whose model is made again from the transcript
_UNLIKELY = 6.0  # below 1e-6, equal answers are taken for a copy
_RNG = 0


def audit_runs(
    generator: Generator,
    *,
    budget: Budget = _BUDGET,
    runs: int = 2000,
    case: Crowd | Neighbours | None = None,
    rng: Rng = None,
) -> Evidence:
    """Run a method many times on tables that coins choose, guess the coins, and bound mu from below.

    The guess about a row is that of the likelihood ratio of the noisy answers, white-box, with its threshold
    at 1: both are fixed before the first run. With one row in question choices count as well; with several,
    they are left out. What the model adds to the answers is nothing, which is checked by making it again from
    the transcript. The bound and its proof are in `gdp_bound`; where the plan has no mu, the bound is on
    epsilon directly. Whatever the likelihood ratio is worth, the bound is valid.

    Args:
        generator: The configured method. What it trains on rows is not looked at here: see `audit_canaries`.
        budget: What each run may spend.
        runs: How many.
        case: The tables and the rows in question; `crowd()` if there is none. Choices hang on a row in
            `balanced()`; it is alone in its cells in `alone()`.
        rng: Seed of the coins; noise takes no seed.

    Raises:
        ConfigurationError: The method asks something whose law the audit does not know.
    """
    played = crowd() if case is None else case
    game, coins = Runs(generator, budget), random_generator(rng)
    shares, first = list[float](), list[Run]()
    for _ in range(_validate.count("runs", runs, least=_LOOKED_AT)):
        present = coins.random(played.questions) < 0.5
        run = game.on(played.table(present), rng=_RNG)
        shares.append(float((present == (_log_ratios(run, played) > 0)).mean()))
        if len(first) < _LOOKED_AT:
            first.append(run)
    twins = [game.on(played.base, rng=_RNG) for _ in range(2)]
    mu = claimed_mu(generator.plan(played.base.schema, budget))
    others = (_replayed(generator, first), _own_noise(twins, played.base))
    return _evidence(generator, first[0].guarantee, mu, played, np.array(shares), others)


def _evidence(
    generator: Generator,
    guarantee: Guarantee,
    mu: float | None,
    played: Crowd | Neighbours,
    shares: FloatArray,
    others: tuple[Check, ...],
) -> Evidence:
    """What the guesses say about the claim."""
    claim = Claim(epsilon=guarantee.epsilon, delta=guarantee.delta, mu=mu)
    (bound_mu, bound), (ceiling_mu, ceiling) = (
        _bounds(rates, played.questions, claim) for rates in (shares, np.ones(len(shares)))
    )
    kept = bound <= claim.epsilon if bound_mu is None or mu is None else bound_mu <= mu
    blind = ceiling <= claim.epsilon if ceiling_mu is None or mu is None else ceiling_mu <= mu
    return Evidence(
        audit="many-runs-gdp/1",
        level="end-to-end",
        method=generator.name,
        configuration=configuration_digest(generator),
        threat_model=_threat(played, len(shares), tainted=bool(guarantee.taints)),
        claim=claim,
        runs=len(shares),
        lower_bound=bound,
        lower_bound_mu=bound_mu,
        ceiling=ceiling,
        ceiling_mu=ceiling_mu,
        checks=(
            Check(
                name="lower bound",
                passed=kept,
                detail=f"{shares.mean():.4f} of {len(shares) * played.questions} guesses were right; the "
                f"bound is {'within' if kept else 'above'} the claim",
            ),
            Check(name="could have failed", passed=not blind, detail="the ceiling is above the claim"),
            Check(
                name="price",
                passed=guarantee.holds(),
                detail="the guarantee covers its events, priced again",
            ),
            *others,
        ),
    )


def _bounds(shares: FloatArray, questions: int, claim: Claim) -> tuple[float | None, float]:
    """On mu, if one is claimed, and on epsilon."""
    right = int(shares.sum())
    rate = rate_bound(right, len(shares)) if questions == 1 else betting_bound(shares)
    if claim.mu is None:
        return None, epsilon_bound(rate, delta=claim.delta)
    return mu_bound(rate), epsilon_of(mu_bound(rate), claim.delta)


def _log_ratios(run: Run, played: Crowd | Neighbours) -> FloatArray:
    """For each row in question how much likelier the release is with it than without, in logarithms."""
    if isinstance(played, Neighbours):
        return np.array([_log_ratio(run, played)])
    found = np.zeros(played.questions)
    for each in run.answered:
        found += count_scores(each.mechanism, each.measurement, played.base, played.rows)
    return found


def _replayed(generator: Generator, runs: Sequence[Run]) -> Check:
    """Whether the models follow from the transcripts alone."""
    return Check(
        name="nothing beside the answers",
        passed=all(_same(run.model, generator.fit(Replay(run.transcript), rng=_RNG)) for run in runs),
        detail=f"{len(runs)} models were made again from their transcripts without any table",
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


def _threat(played: Crowd | Neighbours, runs: int, *, tainted: bool) -> str:
    return (
        f"{runs} independent runs, each a session with noise of its own, on tables that fair coins choose: "
        f"{played.name}. Neighbours differ by {played.base.unit}. The attacker chose the table and the rows, "
        "knows the method and its parameters, and sees every noisy answer, every choice and the model. What "
        "is trained on rows is not looked at. Bounds on epsilon take the trade-off as Gaussian."
        f"{TAINTED if tainted else ''}"
    )
