from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.errors import UnsupportedEventError
from dpsynth.privacy.composition import compose, down, root_down, root_up, up
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
    ZCDPEvent,
)

sizes = st.floats(min_value=1e-300, max_value=1e6)
atoms = st.one_of(
    sizes.map(lambda size: GaussianEvent(mu=size)),
    sizes.map(lambda size: LaplaceEvent(epsilon=size)),
    sizes.map(lambda size: ExponentialEvent(epsilon=size)),
    sizes.map(lambda size: ZCDPEvent(rho=size)),
    st.builds(ApproximateEvent, epsilon=st.floats(0, 10), delta=st.floats(0, 0.1)),
)
positive = st.builds(Fraction, st.integers(1, 10**30), st.integers(1, 10**30))


@given(st.lists(atoms, max_size=6), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_neither_order_nor_grouping_matters(events: list[Event], shuffle: object) -> None:
    whole = compose(events)
    shuffle.shuffle(events)  # type: ignore[attr-defined]
    for other in (compose(events), compose([ComposedEvent(events=tuple(events))])):
        assert (other.squared_mu, other.failure, other.rho, other.pure) == (
            whole.squared_mu,
            whole.failure,
            whole.rho,
            whole.pure,
        )
        assert set(other.others) == set(whole.others)


@given(st.lists(atoms, min_size=1, max_size=4), st.integers(1, 5))
@settings(deadline=None)
def test_a_repetition_is_its_events_written_out(events: list[Event], times: int) -> None:
    repeated = compose([RepeatedEvent(event=ComposedEvent(events=tuple(events)), times=times)])
    written = compose(events * times)
    assert (repeated.squared_mu, repeated.failure, repeated.rho) == (
        written.squared_mu,
        written.failure,
        written.rho,
    )


def test_the_amounts_of_each_event() -> None:
    assert compose([GaussianEvent(mu=0.5), GaussianEvent(mu=0.25)]).squared_mu == Fraction(5, 16)
    assert compose([GaussianEvent(mu=0.5)]).rho == Fraction(1, 8)
    assert compose([GaussianEvent(mu=0.5)]).pure == 0
    assert compose([GaussianEvent(mu=0.1)]).mu == 0.1
    assert compose([LaplaceEvent(epsilon=0.5)]).pure == Fraction(1, 2)
    assert compose([LaplaceEvent(epsilon=0.5)]).rho == Fraction(1, 8)
    assert compose([ExponentialEvent(epsilon=0.5)]).rho == Fraction(1, 32)
    assert compose([GaussianEvent(mu=0.5)]).gdp == Fraction(1, 4)
    assert compose([LaplaceEvent(epsilon=0.5)]).gdp is None
    assert compose([ZCDPEvent(rho=0.5)]).rho == Fraction(1, 2)
    assert compose([ZCDPEvent(rho=0.5)]).pure is None
    failing = compose([ApproximateEvent(epsilon=0.5, delta=0.25), ApproximateEvent(epsilon=0.0, delta=0.25)])
    assert (failing.failure, failing.pure, failing.rho) == (Fraction(1, 2), Fraction(1, 2), Fraction(1, 8))
    assert not compose([NonPrivateEvent(reason="test")]).protected


def test_steps_of_one_training_merge_and_a_full_sample_is_a_plain_gaussian() -> None:
    step = PoissonGaussianEvent(sampling_rate=0.5, noise_multiplier=2.0, steps=1)
    run = PoissonGaussianEvent(sampling_rate=0.5, noise_multiplier=2.0, steps=7)
    assert compose([run, step]).others == ((step, 8),)
    assert compose([run]).rho is None
    everyone = compose([PoissonGaussianEvent(sampling_rate=1.0, noise_multiplier=3.0, steps=9)])
    assert everyone.others == ()
    assert 1 <= everyone.mu <= math.nextafter(1.0, 2.0)


@pytest.mark.parametrize("stranger", ["gaussian/1", RepeatedEvent(event=3, times=2), None])  # type: ignore[arg-type]
def test_only_events_are_composed(stranger: object) -> None:
    with pytest.raises(UnsupportedEventError, match="Expected privacy events"):
        compose([stranger])  # type: ignore[list-item]


@given(positive)
@settings(deadline=None)
def test_rounding_goes_to_the_named_side_and_no_further_than_needed(value: Fraction) -> None:
    assert Fraction(up(value)) >= value > Fraction(math.nextafter(up(value), 0))
    assert Fraction(down(value)) <= value < Fraction(math.nextafter(down(value), math.inf))
    above, below = Fraction(root_up(value)), Fraction(root_down(value))
    assert below**2 <= value <= above**2
    assert Fraction(math.nextafter(root_up(value), 0)) ** 2 < value
    assert Fraction(math.nextafter(root_down(value), math.inf)) ** 2 > value


@given(st.floats(min_value=1e-300, max_value=1e300))
@settings(deadline=None)
def test_the_root_of_a_square_is_exact(value: float) -> None:
    assert root_up(Fraction(value) ** 2) == value == root_down(Fraction(value) ** 2)


def test_amounts_beyond_the_floats_round_to_infinity_and_to_the_smallest_float() -> None:
    assert up(Fraction(10) ** 400) == math.inf
    assert up(Fraction(1, 10**400)) == 5e-324
    assert root_up(Fraction(0)) == 0.0
