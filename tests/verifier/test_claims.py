"""Claims about runs of every kind: what the first accountant states is proved, and less than it is not."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
from certified import Release

from dpsynth.privacy import (
    ApproximateEvent,
    ComposedEvent,
    Event,
    ExponentialEvent,
    GaussianEvent,
    LaplaceEvent,
    PoissonGaussianEvent,
    ZCDPEvent,
    price,
)
from dpsynth.privacy.risk import powers, risk
from dpsynth.session import Commitment
from dpsynth.verifier import Statement, accounting
from dpsynth.verifier.claims import check_claims
from dpsynth.verifier.grouped import grouped, plan_digests
from dpsynth.verifier.sentences import check_sentences

DELTA = 1e-6
PARTITION = ComposedEvent(events=(GaussianEvent(mu=0.3), ApproximateEvent(epsilon=0.0, delta=1e-8)))
FIXED: list[list[Event]] = [
    [GaussianEvent(mu=0.5)] * 3,
    [LaplaceEvent(epsilon=1)] * 3,
    [ExponentialEvent(epsilon=0.3), GaussianEvent(mu=0.5), ExponentialEvent(epsilon=0.3)],
    [ZCDPEvent(rho=0.1), LaplaceEvent(epsilon=0.2)],
    [PARTITION, GaussianEvent(mu=0.5)],
]
ADAPTIVE: list[tuple[list[Event], list[Event]]] = [
    ([ZCDPEvent(rho=0.5)], [GaussianEvent(mu=0.5), ExponentialEvent(epsilon=0.5), GaussianEvent(mu=0.7)]),
    ([GaussianEvent(mu=1.0)], [GaussianEvent(mu=0.5)] * 4),
    ([PARTITION, ZCDPEvent(rho=0.2)], [PARTITION, GaussianEvent(mu=0.5)]),
]


def certificate(
    release: Release, planned: Sequence[Event], drawn: Sequence[Event], *, adaptive: bool
) -> dict[str, Any]:
    """A certificate whose claims are the larger of what both accountants say."""
    made = copy.deepcopy(release.statement["predicate"])
    plan = [event.to_json() for event in planned]
    first, rates = price(planned, delta=DELTA, adaptive=adaptive), (0.001, 0.01)
    told = risk(planned, delta=DELTA, adaptive=adaptive)
    second = accounting.epsilon(plan, DELTA, adaptive=adaptive)
    epsilon = max(first.epsilon, second.epsilon)
    made["claim"] |= {
        "epsilon": epsilon,
        "delta": DELTA,
        "epsilon_at": [{"delta": DELTA, "epsilon": epsilon}],
        "mu": first.mu,
        "rho": first.rho,
        "advantage": max(told.advantage, accounting.advantage(plan, adaptive=adaptive)),
        "curve": [
            {
                "false_positive_rate": rate,
                "true_positive_rate": max(power, accounting.power(plan, rate, adaptive=adaptive)),
            }
            for rate, power in zip(rates, powers(planned, rates, delta=DELTA, adaptive=adaptive), strict=True)
        ],
    }
    digest = Commitment(method="mst", adaptive=adaptive, events=tuple(planned)).digest()
    paid = [{"times": times, "event": event} for times, event in grouped((1, event) for event in plan)]
    made["plan"] = {"method": "mst", "adaptive": adaptive, "events": paid, "digest": digest}
    made["events"] = [{"label": "", "times": 1, "event": event.to_json()} for event in drawn]
    made["accounting"] = {
        "accountants": [
            {"name": name, "version": "1", "epsilon": value.epsilon}
            for name, value in (("first", first), ("second", second))
        ],
        "allowance": 1e-3,
    }
    made["risk"]["sentences"] = list(told.sentences)
    return made  # type: ignore[no-any-return]


def failures(statements: Sequence[Statement]) -> list[str]:
    return [f"{s.subject}: {s.words}" for s in statements if s.standing == "failed"]


@pytest.mark.parametrize("events", FIXED, ids=str)
def test_fixed_runs_are_proved_and_less_is_not(release: Release, events: list[Event]) -> None:
    made = certificate(release, events, events, adaptive=False)
    assert failures(check_claims(made)) == []
    made["claim"]["epsilon"] *= 0.5  # the second accountant may prove a little less than the first
    assert any(line.startswith("claim: epsilon") for line in failures(check_claims(made)))


@pytest.mark.parametrize(("planned", "drawn"), ADAPTIVE, ids=str)
def test_adaptive_runs_are_priced_by_their_whole(
    release: Release, planned: list[Event], drawn: list[Event]
) -> None:
    made = certificate(release, planned, drawn, adaptive=True)
    assert failures(check_claims(made)) == []
    made["events"] *= 3
    assert failures(check_claims(made)) == ["events: cost together more than the whole that the plan allowed"]


@pytest.mark.slow
def test_sampled_runs_are_proved_and_less_is_not(release: Release) -> None:
    events = [PoissonGaussianEvent(sampling_rate=0.01, noise_multiplier=1.0, steps=200)]
    made = certificate(release, events, events, adaptive=False)
    assert failures(check_claims(made)) == []
    made["claim"]["epsilon"] *= 0.5
    made["claim"]["epsilon_at"] = [{"delta": DELTA, "epsilon": made["claim"]["epsilon"]}]
    assert len(failures(check_claims(made))) >= 2


@pytest.mark.parametrize("events", FIXED, ids=str)
def test_sentences_of_the_library_follow_from_the_claim(release: Release, events: list[Event]) -> None:
    made = certificate(release, events, events, adaptive=False)
    assert failures(list(check_sentences(made))) == []
    for field in ("advantage", "epsilon"):
        more = copy.deepcopy(made)
        more["claim"][field] += 0.3 * (1 - more["claim"][field] if field == "advantage" else 1)
        assert len(failures(list(check_sentences(more)))) == 1
    more = copy.deepcopy(made)
    for point in more["claim"]["curve"]:
        point["true_positive_rate"] *= 1.1
    assert failures(list(check_sentences(more))) == [
        "risk: sentences: 2 of 4 sentences promise more than the claim"
    ]


def test_a_parameter_that_no_theorem_gives_is_refused(release: Release) -> None:
    made = certificate(release, [LaplaceEvent(epsilon=1.0)], [LaplaceEvent(epsilon=1.0)], adaptive=False)
    made["claim"]["mu"] = 10.0
    assert failures(check_claims(made)) == ["claim: mu: no theorem here gives one for these steps"]
    events = [ApproximateEvent(epsilon=1.0, delta=1e-9)]
    made = certificate(release, events, events, adaptive=False)
    made["claim"]["rho"] = 10.0
    assert failures(check_claims(made)) == ["claim: rho: no theorem here gives one for these steps"]


def test_what_cannot_be_priced_fails(release: Release) -> None:
    made = copy.deepcopy(release.statement["predicate"])
    made["claim"]["delta"] = 0
    assert any("cannot be recomputed" in line for line in failures(check_claims(made)))


def test_more_points_than_an_auditor_waits_for_are_refused(release: Release) -> None:
    made = copy.deepcopy(release.statement["predicate"])
    made["claim"]["curve"] *= 100
    assert failures(check_claims(made)) == [
        "claim: more than 64 points, or a step more than 1e12 times, are not checked"
    ]


@pytest.mark.parametrize("events", [*FIXED, [GaussianEvent(mu=1.0)] * 70_000], ids=lambda e: str(e)[:40])
def test_the_digest_of_a_plan_survives_canonical_json(events: list[Event]) -> None:
    from dpsynth.verifier.canonical import canonical, parse

    commitment = Commitment(method="mst: ä", adaptive=False, events=tuple(events))
    paid = grouped((1, event.to_json()) for event in events)
    plan = {"method": "mst: ä", "adaptive": False, "events": [{"times": t, "event": e} for t, e in paid]}
    assert commitment.digest() in plan_digests(parse(canonical(plan)))


def test_a_plan_too_long_to_unfold_has_no_digest() -> None:
    plan = {
        "method": "m",
        "adaptive": False,
        "events": [{"times": 2**40, "event": {"type": "gaussian/1", "mu": 1}}],
    }
    assert plan_digests(plan) == frozenset()
