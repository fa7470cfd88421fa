"""The best of a random number of runs: the second accountant against the first, by rules, and hostile input."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from dpsynth.privacy import Repetitions, price, rdp
from dpsynth.privacy.events import (
    ComposedEvent,
    Event,
    ExponentialEvent,
    GaussianEvent,
    LaplaceEvent,
    PoissonGaussianEvent,
    RepeatedEvent,
    ZCDPEvent,
)
from dpsynth.verifier import accounting, renyi
from dpsynth.verifier.accounting import AccountingError
from dpsynth.verifier.grouped import plan_digests
from dpsynth.verifier.shape import certificate_schema

RUN = {"type": "zcdp/1", "rho": 0.02}
BEST = {
    "type": "repeat-select/1",
    "events": [RUN],
    "distribution": "negative-binomial",
    "mean": 10.0,
    "eta": 0.0,
}
RUNS = [
    (ZCDPEvent(rho=0.0066),),
    (GaussianEvent(mu=0.7),),
    (
        ComposedEvent(
            events=(GaussianEvent(mu=0.1), LaplaceEvent(epsilon=0.1), ExponentialEvent(epsilon=0.2))
        ),
    ),
    (PoissonGaussianEvent(sampling_rate=0.01, noise_multiplier=1.0, steps=300),),
    (GaussianEvent(mu=0.3), RepeatedEvent(event=LaplaceEvent(epsilon=0.05), times=20)),
]


@pytest.mark.parametrize("runs", RUNS, ids=lambda runs: runs[0].name)
@pytest.mark.parametrize("mean", [1.0, 12.0, 300.0])
@pytest.mark.parametrize("law", [{}, {"eta": 0.5}, {"eta": 2.0}, {"distribution": "poisson"}])
def test_both_accountants_agree(runs: tuple[Event, ...], mean: float, law: dict[str, Any]) -> None:
    event = Repetitions(mean=mean, **law).event(runs)
    ours = price([event], delta=1e-6).epsilon
    found = accounting.epsilon([event.to_json()], 1e-6, adaptive=False)
    assert found.method == "Rényi"
    assert ours >= found.epsilon * (1 - found.allowance)  # what the first one claims is proved by the second
    assert ours <= found.epsilon * 1.01  # and it claims little more than that


def test_kinds_of_runs_whose_curves_cross_are_priced_alike() -> None:
    """At the corner of their largest the least bound belongs to one order, which both must know."""
    trained = PoissonGaussianEvent(sampling_rate=0.028, noise_multiplier=0.76, steps=669)
    for rho in (1.40, 1.4660479, 1.55):
        event = Repetitions(mean=50.0).event((trained, ZCDPEvent(rho=rho)))
        ours = price([event], delta=2.6e-8).epsilon
        found = accounting.epsilon([event.to_json()], 2.6e-8, adaptive=False)
        assert ours >= found.epsilon * (1 - 1e-9)
    assert set(np.round(rdp.ORDERS, 9)) <= set(np.round(renyi.ORDERS, 9))


def test_a_selection_composes_with_other_steps() -> None:
    noise = {"type": "gaussian/1", "mu": 0.3}
    alone = accounting.epsilon([BEST], 1e-6, adaptive=False).epsilon
    both = accounting.epsilon([BEST, noise], 1e-6, adaptive=False).epsilon
    twice = accounting.epsilon([{"type": "repeated/1", "event": BEST, "times": 2}], 1e-6, adaptive=False)
    assert alone < both < twice.epsilon
    nested = accounting.epsilon([BEST | {"events": [BEST]}], 1e-6, adaptive=False).epsilon
    assert nested > alone


def test_a_second_kind_of_run_costs_nothing_if_it_is_cheaper() -> None:
    cheaper = BEST | {"events": [{"type": "zcdp/1", "rho": 0.01}, RUN, RUN]}
    one, two = (accounting.epsilon([event], 1e-6, adaptive=False).epsilon for event in (BEST, cheaper))
    assert one == two


def test_no_theorem_covers_a_selection_in_an_adaptive_run() -> None:
    with pytest.raises(AccountingError, match="adaptive run: best"):
        accounting.epsilon([BEST], 1e-6, adaptive=True)


def test_advantage_and_power_are_bounded_by_the_curve() -> None:
    assert 0 < accounting.advantage([BEST], adaptive=False) < 1
    assert 0.01 < accounting.power([BEST], 0.01, adaptive=False) < 0.2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"events": []}, "at least one kind of run"),
        ({"events": RUN}, "expected a list"),
        ({"events": [{"type": "gaussian/1"}]}, r"Event 1, run 1 \(gaussian/1\): missing"),
        ({"events": [{"type": "approximate/1", "epsilon": 0.1, "delta": 1e-9}]}, "none that may fail"),
        ({"events": [{"type": "non-private/1", "reason": "x"}]}, "none that may fail"),
        ({"distribution": "fixed"}, "unknown law"),
        ({"distribution": 3}, "expected text"),
        ({"mean": 0.5}, "out of range"),
        ({"mean": 1e7}, "out of range"),
        ({"mean": "ten"}, "expected a number"),
        ({"eta": -1}, "not negative"),
        ({"eta": 1e7}, "out of range"),
        ({"distribution": "poisson", "eta": 1}, "out of range"),
        ({"more": 1}, "unknown fields"),
    ],
)
def test_what_no_law_says_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(AccountingError, match=words):
        accounting.epsilon([BEST | change], 1e-6, adaptive=False)


def test_selections_of_selections_end_somewhere() -> None:
    event = BEST
    for _ in range(40):
        event = BEST | {"events": [event]}
    with pytest.raises(AccountingError, match="nested more than"):
        accounting.epsilon([event], 1e-6, adaptive=False)


@pytest.mark.parametrize("law", [{}, {"eta": 1.0}, {"distribution": "poisson", "mean": 0.5}])
def test_the_form_of_certificates_has_the_event(law: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = certificate_schema()
    judge = jsonschema.Draft202012Validator({"$defs": schema["$defs"], "$ref": "#/$defs/event"})
    told = Repetitions(**law).event((ZCDPEvent(rho=0.1), GaussianEvent(mu=0.1))).to_json()
    assert judge.is_valid(told)
    assert not judge.is_valid(told | {"events": []})
    assert not judge.is_valid(told | {"mean": 0.0})
    assert not judge.is_valid(told | {"distribution": "poisson", "eta": 1.0})


def test_the_digest_of_a_plan_is_found_again_after_canonical_json() -> None:
    from dpsynth.session import Commitment

    event = Repetitions(mean=10).event((ZCDPEvent(rho=1.0),))
    commitment = Commitment(method="best", adaptive=False, events=(event,))
    told = json.loads(json.dumps(commitment.to_json()).replace(".0", ""))
    plan = told | {"events": [{"times": 1, "event": one} for one in told["events"]]}
    assert commitment.digest() in plan_digests(plan)


@pytest.mark.parametrize(
    ("method", "event", "holds"),
    [
        ("the best of several runs", BEST, True),
        ("the best of several runs", RUN, False),
        ("the best of many runs", BEST, False),
    ],
)
def test_another_method_than_the_plan_names_was_selected_or_is_a_lie(
    method: str, event: dict[str, Any], holds: bool
) -> None:
    from dpsynth.verifier.claims import _plan

    plan = {"method": method, "adaptive": False, "events": [{"times": 1, "event": event}]}
    (digest,) = plan_digests(plan)
    (told,) = _plan({"plan": {**plan, "digest": digest}, "generator": {"method": "mst"}})
    assert told.words.startswith("its digest is that of" if holds else "is for another method")
