"""P18: choosing a vocabulary fails with some probability. That delta is part of the price."""

from __future__ import annotations

import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.privacy import (
    ApproximateEvent,
    BasicFilter,
    Budget,
    GaussianEvent,
    LaplaceEvent,
    RepeatedEvent,
    ZCDPFilter,
    calibrate,
    price,
    profile,
)

VOCABULARY = ApproximateEvent(epsilon=0.0, delta=4e-10)


def test_a_vocabulary_is_never_pure() -> None:
    with pytest.raises(ConfigurationError, match=r"delta >= 4e-10"):
        price([LaplaceEvent(epsilon=1.0), VOCABULARY], delta=0.0)
    assert price([LaplaceEvent(epsilon=1.0), VOCABULARY], delta=4e-10).epsilon == 1.0
    assert price([LaplaceEvent(epsilon=1.0)], delta=0.0).epsilon == 1.0  # the broken twin leaves it out


def test_its_delta_is_taken_from_the_delta_of_the_run() -> None:
    whole = price([GaussianEvent(mu=0.2), VOCABULARY], delta=1e-9).epsilon
    assert whole == price([GaussianEvent(mu=0.2)], delta=6e-10).epsilon
    assert whole > price([GaussianEvent(mu=0.2)], delta=1e-9).epsilon


def test_several_vocabularies_add_up() -> None:
    with pytest.raises(ConfigurationError, match=r"sum of the deltas"):
        price([RepeatedEvent(event=VOCABULARY, times=3)], delta=1e-9)
    assert price([RepeatedEvent(event=VOCABULARY, times=2)], delta=1e-9).epsilon == 0.0
    assert profile([RepeatedEvent(event=VOCABULARY, times=2)]).delta(0.0) == 8e-10


def test_a_delta_used_up_by_vocabularies_leaves_none_for_a_gaussian() -> None:
    events = [GaussianEvent(mu=0.2), ApproximateEvent(epsilon=0.0, delta=1e-9)]
    with pytest.raises(ConfigurationError, match="delta > 1e-09"):
        price(events, delta=1e-9)


def test_no_amount_of_the_composition_hides_the_failure() -> None:
    cost = price([GaussianEvent(mu=0.2), VOCABULARY], delta=1e-9)
    assert cost.rho is None
    assert cost.mu is None


def test_calibration_leaves_room_for_the_vocabulary() -> None:
    budget = Budget(epsilon=1.0, delta=1e-9)
    with_it = calibrate(lambda mu: [GaussianEvent(mu=mu), VOCABULARY], budget)
    assert with_it < calibrate(lambda mu: [GaussianEvent(mu=mu)], budget)


@pytest.mark.parametrize("gate", [ZCDPFilter(rho=1.0), BasicFilter(epsilon=1.0)])
def test_a_filter_without_delta_admits_no_vocabulary(gate: ZCDPFilter | BasicFilter) -> None:
    assert not gate.admits(VOCABULARY)
