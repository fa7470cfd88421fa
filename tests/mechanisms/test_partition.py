from __future__ import annotations

import copy
from dataclasses import dataclass
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from dpsynth.errors import ConfigurationError, DataError, RawAccessError
from dpsynth.mechanisms.partition import LabelledColumn, PartitionSelection
from dpsynth.privacy.events import ApproximateEvent, ComposedEvent, GaussianEvent
from dpsynth.privacy.unit import Unit
from dpsynth.testing.insecure import insecure_noise

ROW = Unit()
REPLACE = Unit(relation="replace_one")


def people(k: int, relation: str = "add_remove") -> Unit:
    return Unit(id_column="person", contributions=k, relation=relation)  # type: ignore[arg-type]


def selection(mu: float = 1.0, delta: float = 1e-6) -> PartitionSelection:
    return PartitionSelection(column="c", mu=mu, delta=delta)


def test_event_and_description_are_public_and_hold_delta() -> None:
    mechanism = selection(0.5, 1e-7)
    parts = (GaussianEvent(mu=0.5), ApproximateEvent(epsilon=0.0, delta=1e-7))
    assert mechanism.event() == ComposedEvent(events=parts)
    assert mechanism.describe() == {"type": "partition-selection/1", "column": "c", "mu": 0.5, "delta": 1e-7}
    assert mechanism.describe() != selection(0.5, 1e-8).describe()


@pytest.mark.parametrize(
    "bad", [{"mu": 0.0}, {"mu": float("nan")}, {"delta": 0.0}, {"delta": 1.0}, {"delta": 1e-250}]
)
def test_impossible_parameters_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError):
        selection(**bad)


def test_noise_beyond_reach_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="noise scale"):
        selection(mu=1e-13).sigma(ROW)


@pytest.mark.parametrize("unit", [ROW, REPLACE, people(3), people(3, "replace_one"), people(50)])
@pytest.mark.parametrize("mu", [0.01, 0.3, 4.0])
@pytest.mark.parametrize("delta", [1e-200, 1e-12, 1e-6, 0.05, 0.9])
def test_threshold_is_the_smallest_safe_one(unit: Unit, mu: float, delta: float) -> None:
    mechanism = selection(mu, delta)
    threshold, sigma = mechanism.threshold(unit), mechanism.sigma(unit)

    def leak(threshold: int) -> mpmath.mpf:
        with mpmath.workdps(60):
            return unit.rows_changed * mpmath.erfc((mpmath.mpf(threshold) - 1.5) / sigma / mpmath.sqrt(2)) / 2

    assert Fraction(sigma) ** 2 * Fraction(mu) ** 2 >= unit.rows_changed
    assert leak(threshold) <= delta
    assert threshold == 2 or leak(threshold - 1) > delta


def test_counts_are_units_and_not_rows() -> None:
    labels = ["a", "a", "b", None, "a", "c", "c"]
    column = LabelledColumn(labels, np.array([7, 7, 7, 7, -2, 10**12, 10**12]))
    names, counts = column.counts(5)
    assert dict(zip(names, counts.tolist(), strict=True)) == {"a": 2, "b": 1, "c": 1}
    names, counts = LabelledColumn(labels).counts(1)
    assert dict(zip(names, counts.tolist(), strict=True)) == {"a": 3, "b": 1, "c": 2}


@pytest.mark.parametrize("k", [1, 2, 4])
def test_each_unit_reaches_at_most_k_labels(k: int) -> None:
    labels = [f"label {i}" for i in range(9)] + ["other"]
    units = np.array([0] * 9 + [1])
    names, counts = LabelledColumn(labels, units).counts(k)
    assert counts.sum() == k + 1
    assert counts[names.index("other")] == 1
    assert counts.max() == 1


def test_the_cut_is_random_and_spares_other_units() -> None:
    column = LabelledColumn([*"abcdefgh", "a"], np.array([0] * 8 + [1]))
    kept = {tuple(column.counts(1)[1].tolist()) for _ in range(200)}
    assert len(kept) == 8


def test_frequent_labels_come_sorted_with_counts_near_the_truth() -> None:
    rng = np.random.default_rng(3)
    labels = rng.permutation(np.array(["zebra"] * 500 + ["ant"] * 900 + ["lone"], dtype=object))
    with insecure_noise(1):
        answer = selection().run(LabelledColumn(labels), ROW)
    counts, names = answer.values
    assert names.tolist() == ["ant", "zebra"]
    assert np.abs(counts - [900, 500]).max() < 8
    assert counts.dtype == np.int64
    assert names.dtype.kind == "U"
    assert not counts.flags.writeable
    assert not names.flags.writeable
    assert answer.sigmas == (pytest.approx((1 + 1 / 12) ** 0.5), 0.0)
    assert answer.event == selection().event()
    assert answer.mechanism == selection().describe()


@pytest.mark.parametrize("labels", [[], [None, None], ["a"], [f"{i}" for i in range(50)]])
@pytest.mark.parametrize("unit", [ROW, people(2)])
def test_nothing_to_release_is_no_error(labels: list[str | None], unit: Unit) -> None:
    units = np.arange(len(labels)) if unit.id_column else None
    counts, names = selection(delta=1e-30).run(LabelledColumn(labels, units), unit).values
    assert counts.tolist() == names.tolist() == []


def test_labels_that_cannot_be_stored_are_left_out() -> None:
    labels = ["a\0", "\ud800", "x" * 10**6, None, "a", "ü" * 1000]
    column = LabelledColumn(labels * 100, np.arange(600))
    counts, names = selection().run(column, people(2)).values
    assert names.tolist() == ["a", "ü" * 1000]
    assert np.abs(counts - 100).max() < 12


def test_nothing_shows() -> None:
    column = LabelledColumn(["secret"] * 3)
    attempts = (len, iter, list, copy.copy, copy.deepcopy, np.asarray, lambda c: c[0], lambda c: "a" in c)
    for attempt in (*attempts, LabelledColumn.__reduce__):
        with pytest.raises(RawAccessError):
            attempt(column)
    assert repr(column) == "LabelledColumn(rows private)"
    assert not hasattr(column, "__dict__")
    with pytest.raises(DataError):
        LabelledColumn(["a", "b"], np.array([1]))


# The promise itself, measured: how often does what one unit alone holds get out? A large delta gives the test
# power, and a twin with the classic mistake (k forgotten in the threshold) must fail it.

DELTA, TRIALS, K = 0.05, 2000, 3


@dataclass(frozen=True, kw_only=True, slots=True)
class ForgetsK(PartitionSelection):
    def threshold(self, unit: Unit) -> int:
        sigma = self.sigma(unit)
        return next(
            t for t in range(2, 10**6) if mpmath.erfc((t - 1.5) / sigma / mpmath.sqrt(2)) / 2 <= self.delta
        )


def leaks(mechanism: PartitionSelection, unit: Unit) -> int:
    column = LabelledColumn(["mine 1", "mine 2", "mine 3"], np.zeros(3, dtype=np.int64))
    return sum(mechanism.run(column, unit).values[0].size > 0 for _ in range(TRIALS))


def most_leaks() -> int:
    """Five standard deviations above what delta allows."""
    return int(TRIALS * DELTA + 5 * (TRIALS * DELTA * (1 - DELTA)) ** 0.5)


def test_what_one_unit_holds_leaks_with_probability_delta_at_most() -> None:
    mechanism = selection(mu=0.2, delta=DELTA)
    with insecure_noise(11):
        found = leaks(mechanism, people(K))
    assert TRIALS * DELTA / 2 < found <= most_leaks()


def test_a_threshold_that_forgets_k_is_caught() -> None:
    with insecure_noise(11):
        assert leaks(ForgetsK(column="c", mu=0.2, delta=DELTA), people(K)) > most_leaks()


def test_it_is_for_discovery_only() -> None:
    from dpsynth.schema.layout import Domain

    with pytest.raises(ConfigurationError, match="discovery"):
        PartitionSelection(column="a", mu=1.0, delta=1e-6).check(Domain(columns=("a",), sizes=(2,)), Unit())
