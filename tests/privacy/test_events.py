from __future__ import annotations

import json
from dataclasses import FrozenInstanceError

import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.privacy.events import (
    ApproximateEvent,
    ComposedEvent,
    Event,
    ExponentialEvent,
    GaussianEvent,
    LaplaceEvent,
    NonPrivateEvent,
    PoissonGaussianEvent,
    RepeatedEvent,
    RepeatSelectEvent,
    ZCDPEvent,
    event_from_json,
)

EVENTS = [
    GaussianEvent(mu=0.1),
    LaplaceEvent(epsilon=0.1),
    ExponentialEvent(epsilon=1),
    ZCDPEvent(rho=1e-300),
    ApproximateEvent(epsilon=0.0, delta=1e-9),
    PoissonGaussianEvent(sampling_rate=0.01, noise_multiplier=1.1, steps=10),
    PoissonGaussianEvent(sampling_rate=1.0, noise_multiplier=1.1, steps=10),
    RepeatedEvent(event=RepeatedEvent(event=GaussianEvent(mu=0.1), times=2), times=3),
    ComposedEvent(events=(GaussianEvent(mu=0.1), ApproximateEvent(epsilon=0.0, delta=1e-9))),
    ComposedEvent(events=()),
    RepeatSelectEvent(events=(ZCDPEvent(rho=0.1),), distribution="negative-binomial", mean=10, eta=1),
    RepeatSelectEvent(
        events=(GaussianEvent(mu=0.1), ComposedEvent(events=(ZCDPEvent(rho=0.1), GaussianEvent(mu=0.2)))),
        distribution="poisson",
        mean=0.5,
    ),
    NonPrivateEvent(reason="the test wants it"),
]


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_survives_json(event: Event) -> None:
    again = event_from_json(json.loads(json.dumps(event.to_json())))
    assert again == event
    assert hash(again) == hash(event)


def test_an_event_cannot_change() -> None:
    with pytest.raises(FrozenInstanceError):
        EVENTS[0].mu = 0.0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (GaussianEvent, {"mu": 0.0}),
        (LaplaceEvent, {"epsilon": float("inf")}),
        (ExponentialEvent, {"epsilon": -1.0}),
        (ZCDPEvent, {"rho": 0}),
        (ApproximateEvent, {"epsilon": -1.0, "delta": 0.0}),
        (ApproximateEvent, {"epsilon": 1.0, "delta": -1e-9}),
        (PoissonGaussianEvent, {"sampling_rate": 1.5, "noise_multiplier": 1.0, "steps": 1}),
        (PoissonGaussianEvent, {"sampling_rate": 0.0, "noise_multiplier": 1.0, "steps": 1}),
        (PoissonGaussianEvent, {"sampling_rate": 0.5, "noise_multiplier": 0.0, "steps": 1}),
        (PoissonGaussianEvent, {"sampling_rate": 0.5, "noise_multiplier": 1.0, "steps": 0}),
        (RepeatedEvent, {"event": GaussianEvent(mu=1.0), "times": 0}),
    ],
)
def test_an_impossible_event_is_refused(kind: type[Event], arguments: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="Expected"):
        kind(**arguments)


def test_an_event_can_be_read_by_people() -> None:
    assert str(GaussianEvent(mu=0.123456)) == "gaussian(mu = 0.1235)"
    assert (
        str(RepeatedEvent(event=ZCDPEvent(rho=0.5), times=3))
        == "repeated(event = zcdp(rho = 0.5), times = 3)"
    )
    both = ComposedEvent(events=(GaussianEvent(mu=0.5), ApproximateEvent(epsilon=0.0, delta=1e-9)))
    assert str(both) == "composed(events = gaussian(mu = 0.5) and approximate(epsilon = 0, delta = 1e-09))"
