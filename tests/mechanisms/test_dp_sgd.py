from __future__ import annotations

import json
import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from mechanisms.deep import (
    AUTOENCODER,
    CRITIC,
    DOMAIN,
    NUMBERED,
    STEP,
    asked,
    batch_of,
    numbered,
    parameters_of,
    recorded,
    table_of,
)

from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms import Autoencoder, Critic, DpSgd, TrainingState, dp_sgd, parameter_count
from dpsynth.mechanisms._clipped_sum import DRIFT, Blocks, clipped_sum, longest
from dpsynth.mechanisms.dp_sgd import row_sampling_threshold
from dpsynth.privacy.events import PoissonGaussianEvent
from dpsynth.privacy.unit import Unit
from dpsynth.schema.layout import Domain
from dpsynth.testing.insecure import insecure_noise

OF_THREE = Unit(id_column="id", contributions=3)
PUBLIC = np.stack([np.arange(6) % size for size in DOMAIN.sizes], axis=1)


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise of zero."""
    monkeypatch.setattr(dp_sgd, "rounded_gaussian", lambda _, size: np.zeros(size, np.int64))


class OwnCritic(Critic):
    """Could look at all rows at once."""


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"network": OwnCritic()}, "OwnCritic"),
        ({"network": None}, "NoneType"),
        ({"batch": 0.0}, "batch"),
        ({"clip": -1.0}, "clip"),
        ({"clip": math.inf}, "clip"),
        ({"learning_rate": math.nan}, "learning_rate"),
        ({"averaging": 1.0}, "averaging"),
        ({"averaging": 0.0}, "averaging"),
        ({"public_weight": -0.1}, "public_weight"),
        ({"public_batch": 0}, "public_batch"),
        ({"engine": "fast"}, "engine"),
        ({"steps": 0}, "steps"),
        ({"steps": 2.0}, "steps"),
        ({"sampling_rate": 0.0}, "sampling_rate"),
        ({"sampling_rate": 1.01}, "sampling_rate"),
        ({"noise_multiplier": 0.0}, "noise_multiplier"),
        ({"noise_multiplier": math.inf}, "noise_multiplier"),
    ],
)
def test_impossible_trainings_are_refused(more: dict[str, Any], words: str) -> None:
    plain = asked()
    kept = {name: getattr(plain, name) for name in ("network", "start", "steps", "public", "batch")}
    with pytest.raises(ConfigurationError, match=words):
        DpSgd(**({"sampling_rate": 0.5, "noise_multiplier": 1.0} | kept | more))


def start_of(count: int, dtype: Any = np.float32) -> TrainingState:
    return TrainingState.fresh(np.zeros(count, dtype))


@pytest.mark.parametrize(
    ("more", "unit", "words"),
    [
        ({}, Unit(relation="replace_one"), "add_remove"),
        ({"start": start_of(55)}, Unit(), "56 single-precision"),
        ({"start": start_of(56, np.float64)}, Unit(), "56 single-precision"),
        ({"start": replace(start_of(56), second=np.zeros(57, np.float32))}, Unit(), "56 single-precision"),
        ({"public": np.zeros((4, 2), np.int64)}, Unit(), "one column for each"),
        ({"public": np.zeros(3, np.int64)}, Unit(), "one column for each"),
        ({"public": np.zeros((4, 3))}, Unit(), "one column for each"),
        ({"public": np.array([[0, 0, -1]])}, Unit(), "codes of the schema"),
        ({"public": np.array([[0, 3, 0]])}, Unit(), "codes of the schema"),
        ({"noise_multiplier": 4096.0}, Unit(), "noise scale"),
        ({"noise_multiplier": 1e306}, Unit(), "noise scale"),
        ({"noise_multiplier": 1500.0}, OF_THREE, "noise scale"),
        ({"sampling_rate": 1e-10}, Unit(), "larger sampling_rate"),
        ({"sampling_rate": 6e-10}, OF_THREE, "larger sampling_rate"),
    ],
)
def test_what_does_not_fit_is_refused_without_a_look_at_rows(
    more: dict[str, Any], unit: Unit, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mechanism = asked(**more)
    with pytest.raises(ConfigurationError, match=words):
        mechanism.check(DOMAIN, unit)
    monkeypatch.setattr(dp_sgd, "_Training", None)
    with pytest.raises(ConfigurationError, match=words):
        mechanism.run(table_of(10), unit)


@pytest.mark.parametrize("network", [CRITIC, AUTOENCODER], ids=["critic", "autoencoder"])
@pytest.mark.parametrize("engine", ["fused", "opacus"])
def test_what_fits_passes(network, engine: str) -> None:
    mechanism = asked(network, engine=engine, public=PUBLIC, public_weight=0.5)
    mechanism.check(DOMAIN, Unit())
    mechanism.check(DOMAIN, OF_THREE)


def test_the_event_is_that_of_all_steps() -> None:
    expected = PoissonGaussianEvent(sampling_rate=0.25, noise_multiplier=1.5, steps=7)
    assert asked(steps=7, noise_multiplier=1.5).event() == expected


def test_descriptions_tell_apart_what_differs() -> None:
    start = asked().start
    moved = [
        replace(start, **{name: getattr(start, name) + np.float32(1)})
        for name in ("parameters", "average", "first", "second")
    ]
    ones = np.ones((8, 3), np.int64)
    described = [
        asked(),
        *(asked(start=one) for one in moved),
        asked(start=replace(start, steps=1)),
        asked(AUTOENCODER),
        asked(Critic(hidden=(5,)), public=ones),
        asked(public=ones * 2),
        asked(public=ones.astype(np.int32)),
        asked(public=np.ascontiguousarray(ones.T)),
        *(asked(**{name: 0.125}) for name in ("sampling_rate", "noise_multiplier", "batch", "clip")),
        *(asked(**{name: 0.125}) for name in ("learning_rate", "averaging", "public_weight")),
        asked(steps=4),
        asked(public_batch=3),
        asked(engine="opacus"),
    ]
    texts = [json.dumps(one.describe(), sort_keys=True) for one in described]
    assert len(set(texts)) == len(texts)
    assert texts[0] == json.dumps(asked().describe(), sort_keys=True)
    assert all(json.loads(text) == one.describe() for text, one in zip(texts, described, strict=True))


@pytest.mark.parametrize(("unit", "rows"), [(Unit(), 1), (OF_THREE, 3)])
@pytest.mark.parametrize("engine", ["fused", "exact", "opacus"])
def test_sigma_covers_all_rows_of_a_unit_the_drift_and_the_rounding(
    engine: str, unit: Unit, rows: int
) -> None:
    mechanism = asked(noise_multiplier=1.25, engine=engine)
    sigma = mechanism.sigma(DOMAIN, unit)
    bound = longest(CRITIC.layers(DOMAIN))
    lost = Blocks.of(50.0, single=True).round_off() if engine == "fused" else 0.0
    assert (lost > 0) == (engine == "fused")
    exact = Fraction(5, 4) * (rows * Fraction(bound) / 2**16 + Fraction(DRIFT + lost) * 2**28)
    by_hand = float(exact) + 1.25 * math.sqrt(56)
    assert sigma == pytest.approx(by_hand, rel=1e-14)
    assert sigma >= 1.25 * rows * 2.0**28
    assert sigma == pytest.approx(1.25 * 2**28 * (rows + 1 / 64), rel=2e-3)


@pytest.mark.parametrize("contributions", [1, 2, 3, 10])
@pytest.mark.parametrize("rate", [1e-6, 0.01, 0.3, 0.999, 1.0])
def test_a_unit_has_no_row_in_a_batch_with_the_stated_probability(rate: float, contributions: int) -> None:
    threshold = row_sampling_threshold(rate, contributions)
    out = (1 - Fraction(threshold, 2**32)) ** contributions
    assert out >= 1 - Fraction(rate)
    assert float(1 - out) == pytest.approx(rate, abs=contributions * 2.0**-31)
    assert (threshold == 2**32) == (rate == 1.0)


def noise_of(unit: Unit = Unit(), **more: Any) -> np.ndarray:  # noqa: B008 - frozen
    """The gradient of one step on an empty table, in multiples of what is stated."""
    network = Critic(hidden=(128,))
    mechanism = asked(network, steps=1, **more)
    first = mechanism.run(table_of(0), unit).values[2]
    stated = mechanism.sigma(DOMAIN, unit) * mechanism.clip * 2.0**-28 / mechanism.batch
    return first.astype(np.float64) / 0.1 / stated


def as_stated(noise: np.ndarray) -> bool:
    """Whether noise has a deviation of 1 and a mean of 0; wrong once in a million."""
    return bool(
        abs(noise.std() - 1) < 5 / math.sqrt(2 * noise.size) and abs(noise.mean()) < 5 / math.sqrt(noise.size)
    )


@pytest.mark.parametrize("unit", [Unit(), OF_THREE], ids=["one row", "three rows"])
@pytest.mark.parametrize("more", [{}, {"clip": 0.01}, {"batch": 1e5, "sampling_rate": 1.0}], ids=str)
def test_the_noise_is_as_large_as_stated(unit: Unit, more: dict[str, Any]) -> None:
    noise = noise_of(unit, **more)
    assert noise.size == 10 * 128 + 129
    assert as_stated(noise)
    for wrong in (noise / 2, noise * 2, noise + 0.4):
        assert not as_stated(wrong)


def test_no_two_steps_or_runs_share_noise() -> None:
    left, right = noise_of(), noise_of()
    assert abs(float(np.corrcoef(left, right)[0, 1])) < 0.15


@pytest.mark.parametrize(("unit", "rate"), [(Unit(), 0.25), (OF_THREE, 1 - 0.75 ** (1 / 3))])
def test_batches_are_fresh_poisson_samples(monkeypatch: pytest.MonkeyPatch, unit: Unit, rate: float) -> None:
    calls = recorded(monkeypatch)
    steps = 300
    asked(CRITIC, NUMBERED, steps=steps).run(numbered(), unit)
    assert len(calls) == steps
    joined = np.zeros((steps, 1000), bool)
    for step, call in enumerate(calls):
        joined[step, call["codes"][:, 0]] = True
        assert len(np.unique(call["codes"][:, 0])) == len(call["codes"])
    sizes = joined.sum(1)
    deviation = math.sqrt(1000 * rate * (1 - rate))
    assert abs(sizes.mean() - 1000 * rate) < 5 * deviation / math.sqrt(steps)
    assert sizes.std() == pytest.approx(deviation, rel=0.25)
    assert np.abs(joined.mean(0) - rate).max() < 6 * math.sqrt(rate * (1 - rate) / steps)
    together = (joined[1:] & joined[:-1]).mean()  # neighbouring steps are independent
    assert together == pytest.approx(rate**2, rel=0.15)


def test_a_rate_of_one_takes_every_row_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = recorded(monkeypatch)
    asked(CRITIC, NUMBERED, sampling_rate=1.0).run(numbered(11), Unit())
    assert [call["codes"][:, 0].tolist() for call in calls] == [list(range(11))] * 3
    assert all((call["codes"][:, 1] == 1000).all() for call in calls)  # numbered over all columns


def test_losses_get_fresh_noise_in_their_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = recorded(monkeypatch)
    asked(Autoencoder(hidden=(5,), latent=2), sampling_rate=1.0).run(table_of(400), Unit())
    drawn = np.array([call["noise"] for call in calls])
    assert drawn.shape == (3, 400, 2)
    assert drawn.std() == pytest.approx(1.0, abs=0.08)
    assert len(np.unique(drawn)) > 2300


@pytest.mark.usefixtures("quiet")
def test_the_optimiser_is_that_of_torch_and_the_average_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    sums = [rng.integers(-(2**44), 2**44, 56) for _ in range(6)]
    recorded(monkeypatch, sums)
    mechanism = asked(steps=6, batch=40.0, clip=0.5, learning_rate=0.02, averaging=0.9)
    parameters, average, first, second = mechanism.run(table_of(100), Unit()).values
    leaf = torch.tensor(mechanism.start.parameters, requires_grad=True)
    adam = torch.optim.Adam([leaf], lr=0.02, betas=(0.9, 0.99), eps=1e-12)
    expected = mechanism.start.parameters.astype(np.float64)
    for total in sums:
        leaf.grad = torch.from_numpy((total * STEP * 0.5 / 40.0).astype(np.float32))
        adam.step()
        expected = 0.9 * expected + 0.1 * leaf.detach().numpy()
    state = adam.state[leaf]
    np.testing.assert_allclose(parameters, leaf.detach().numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(first, state["exp_avg"].numpy(), rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(second, state["exp_avg_sq"].numpy(), rtol=1e-4, atol=1e-12)
    np.testing.assert_allclose(average, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("engine", ["fused", "opacus"])
def test_two_steps_and_three_are_five(engine: str) -> None:
    table = table_of(150)
    more = {"sampling_rate": 1.0, "engine": engine, "public": PUBLIC, "public_batch": 4, "public_weight": 0.5}
    whole = asked(steps=5, **more).run(table, Unit())
    head = asked(steps=2, **more).run(table, Unit())
    state = TrainingState.after(head, 2)
    tail = asked(steps=3, start=state, **more)
    assert tail.describe()["done"] == 2
    for left, right in zip(whole.values, tail.run(table, Unit()).values, strict=True):
        np.testing.assert_array_equal(left, right)
    assert TrainingState.after(whole, 5).arrays()[3] is whole.values[3]


@pytest.mark.usefixtures("quiet")
def test_the_engines_train_alike() -> None:
    runs = [
        asked(sampling_rate=1.0, engine=engine, public=PUBLIC, public_weight=1.0).run(table_of(150), Unit())
        for engine in ("fused", "opacus")
    ]
    np.testing.assert_allclose(runs[0].values[2], runs[1].values[2], atol=1e-5)
    assert np.abs(runs[0].values[2]).max() > 1e-3


@pytest.mark.usefixtures("quiet")
def test_public_rows_join_in_turns_with_their_weight() -> None:
    offsets = np.cumsum([0, *DOMAIN.sizes[:-1]])
    mechanism = asked(steps=1, public=PUBLIC, public_batch=4, public_weight=0.5, clip=0.25)
    found = mechanism.run(table_of(0), Unit()).values[2] / 0.1
    codes = torch.from_numpy(PUBLIC[:4] + offsets)
    total = clipped_sum(
        CRITIC, DOMAIN, parameters_of(CRITIC, DOMAIN), codes, codes.new_zeros((4, 0)), clip=0.25, public=True
    )
    np.testing.assert_allclose(found, total * (STEP * 0.25 * 0.5 / 4), rtol=1e-4, atol=1e-8)


def test_every_public_row_has_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = recorded(monkeypatch)
    asked(steps=3, public=PUBLIC, public_batch=4, public_weight=1.0).run(table_of(10), Unit())
    public = [call["codes"] for call in calls if call["public"]]
    turns = np.concatenate(public) - np.cumsum([0, *DOMAIN.sizes[:-1]])
    np.testing.assert_array_equal(turns, PUBLIC[np.arange(12) % 6])
    assert len(calls) == 6
    asked(steps=3, public=PUBLIC, public_batch=100, public_weight=1.0).run(table_of(10), Unit())
    assert len(calls[-1]["codes"]) == 6  # no more than there are


@pytest.mark.parametrize("more", [{"public": PUBLIC}, {"public_weight": 1.0}])
def test_no_weight_or_no_rows_make_no_public_gradient(monkeypatch: pytest.MonkeyPatch, more: dict) -> None:
    calls = recorded(monkeypatch)
    asked(**more).run(table_of(10), Unit())
    assert [call["public"] for call in calls] == [False] * 3


def test_a_measurement_says_what_was_done() -> None:
    mechanism = asked()
    start = [array.copy() for array in mechanism.start.arrays()]
    measurement = mechanism.run(table_of(100), Unit())
    assert measurement.mechanism == mechanism.describe()
    assert measurement.event == mechanism.event()
    assert measurement.sigmas == (0.0,) * 4
    for value, before, now in zip(measurement.values, start, mechanism.start.arrays(), strict=True):
        assert value.dtype == np.float32
        assert value.shape == (56,)
        assert not value.flags.writeable
        assert (value != before).any()
        np.testing.assert_array_equal(before, now)  # the start is left as it was


def test_test_noise_makes_a_run_repeatable() -> None:
    runs = []
    for _ in range(2):
        with insecure_noise(5):
            runs.append(asked(AUTOENCODER, steps=8).run(table_of(2000), Unit()))
    for left, right in zip(runs[0].values, runs[1].values, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("total", [2**63 - 2**16, -(2**63), 2**63 - 2**15, 2**40, 0])
def test_one_row_moves_a_sum_that_leaves_64_bits_by_one_row(
    monkeypatch: pytest.MonkeyPatch, total: int
) -> None:
    # More than 2^19 rows in one direction: the exact sum goes on at the other end of the integers.
    row = 2**44
    words = np.array([total, total], np.int64)
    words[1:] += np.int64(row)
    noise = np.full(56, 12345, np.int64)
    monkeypatch.setattr(dp_sgd, "rounded_gaussian", lambda *_: noise)
    seen: list[np.ndarray] = []
    monkeypatch.setattr(
        dp_sgd._Training, "_gradient", lambda _, noised, __: (seen.append(noised), torch.zeros(56))[1]
    )
    for word in words:
        recorded(monkeypatch, [np.full(56, word)])
        asked(steps=1).run(table_of(10), Unit())
    turn = 2**48
    moved = (seen[1] - seen[0]) % turn
    assert set(moved.tolist()) == {row >> 16}
    assert all(-turn // 2 <= entry < turn // 2 for noised in seen for entry in noised.tolist())
    if abs(total) == 2**40:
        assert seen[0][0] == (total >> 16) + 12345


def test_batches_of_real_rows_reach_the_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = recorded(monkeypatch)
    asked(sampling_rate=1.0, steps=1).run(table_of(30), Unit())
    codes, _ = batch_of(CRITIC, DOMAIN, 30, seed=3)
    assert calls[0]["codes"].shape == codes.shape
    assert calls[0]["clip"] == 1.0
    table, offsets = table_of(30), np.cumsum([0, *DOMAIN.sizes[:-1]])
    for column, name in enumerate(DOMAIN.columns):
        np.testing.assert_array_equal(calls[0]["codes"][:, column], table.codes(name) + offsets[column])


def test_a_batch_whose_sums_would_leave_64_bits_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="smaller sampling_rate"):
        asked(CRITIC, batch=2.0**19).check(DOMAIN, Unit())


def test_only_the_columns_that_are_named_are_read() -> None:
    part = Domain(columns=("c", "a"), sizes=(4, 2))
    mechanism = asked(CRITIC, part, columns=part.columns)
    mechanism.check(DOMAIN, Unit())
    assert mechanism.describe()["columns"] == ["c", "a"]
    assert mechanism.run(table_of(20), Unit()).values[0].shape == (parameter_count(CRITIC, part),)
    with pytest.raises(ConfigurationError, match="modelled columns"):
        asked(CRITIC, part, columns=("c", "x")).check(DOMAIN, Unit())


def test_the_columns_of_a_row_may_have_more_combinations_than_any_table() -> None:
    wide = Domain(columns=tuple("abcdefgh"), sizes=(100,) * 8)
    network = Critic(hidden=(2,))
    asked(network, wide, columns=wide.columns).check(wide, Unit())
