from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.generators.allpairs import AllPairs
from dpsynth.generators.buckets import Groups, merged
from dpsynth.generators.refinement import Refinement, _least_risk, hiding_pairs, plan_refinement
from dpsynth.ledger import Ledger
from dpsynth.mechanisms import Measurement
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.events import GaussianEvent
from dpsynth.schema.columns import Integer
from dpsynth.schema.schema import Schema
from dpsynth.session import PrivateTable, Replay, Session

Build = Callable[..., Any]

SIZE, OF, ROWS = 24, 3, 20_000
NAMES = ("a", "b", "c", "d")
COARSE: dict[str, Groups] = {name: tuple(code // OF for code in range(SIZE)) for name in NAMES}
MARGINS = {name: np.full(SIZE, ROWS / SIZE) for name in NAMES}


def table(copied: float) -> np.ndarray:
    """Counts over buckets of a pair of which the second copies the first in a part of the rows."""
    buckets = SIZE // OF
    return ROWS * (copied * np.eye(buckets) / buckets + (1 - copied) / buckets**2)


def tables(copied: dict[tuple[int, int], float], sigma: float = 20.0) -> dict[tuple[int, int], Any]:
    rng = np.random.default_rng(0)
    shape = (SIZE // OF, SIZE // OF)
    return {
        pair: (table(copied.get(pair, 0.0)) + rng.normal(0, sigma, shape), sigma)
        for pair in itertools.combinations(range(4), 2)
    }


def test_the_pair_that_nearly_determines_each_other_is_chosen() -> None:
    assert hiding_pairs(NAMES, MARGINS, COARSE, tables({(1, 2): 0.9, (0, 3): 0.2})) == ((1, 2),)
    both = hiding_pairs(NAMES, MARGINS, COARSE, tables({(1, 2): 0.8, (0, 3): 0.95, (0, 2): 0.7}))
    assert both == ((0, 3), (1, 2))  # the strongest first, half as many as columns
    assert hiding_pairs(NAMES, MARGINS, COARSE, tables({})) == ()


def test_noise_is_no_reason_to_look_again() -> None:
    """The distance from independence is large in every noisy table; denoised it is not."""
    noisy = tables({}, sigma=1_000.0)
    distance = [np.abs(found - found.sum() / found.size).sum() / 2 / ROWS for found, _ in noisy.values()]
    assert min(distance) > 0.45
    assert hiding_pairs(NAMES, MARGINS, COARSE, noisy) == ()


def test_pairs_of_which_nothing_was_merged_hide_nothing() -> None:
    buckets = SIZE // OF
    whole: dict[str, Groups] = {name: tuple(range(buckets)) for name in NAMES}
    margins = {name: np.full(buckets, ROWS / buckets) for name in NAMES}
    assert hiding_pairs(NAMES, margins, whole, tables({(1, 2): 0.9})) == ()
    wide = 16  # so many cells are worth another look
    whole = {name: tuple(range(wide)) for name in NAMES}
    margins = {name: np.full(wide, ROWS / wide) for name in NAMES}
    diagonal = (np.diag(margins["a"]), 5.0)
    assert hiding_pairs(NAMES, margins, whole, {(0, 1): diagonal}) == ((0, 1),)


def plan(pairs: tuple[tuple[int, int], ...], *, least: float = 1.0, most_cells: int = 10**6) -> Refinement:
    return plan_refinement(
        pairs,
        NAMES,
        dict.fromkeys(NAMES, SIZE),
        MARGINS,
        COARSE,
        dict.fromkeys(NAMES, least),
        most_cells=most_cells,
    )


def test_finer_buckets_lie_in_the_buckets_of_the_columns_that_are_asked() -> None:
    found = plan(((1, 2),))
    assert found.fine["a"] == found.coarse["a"]
    assert found.fine["b"] == tuple(range(SIZE))
    for name in NAMES:
        pairs = set(zip(found.fine[name], found.coarse[name], strict=True))
        assert len(pairs) == len(set(found.fine[name]))
    coarser = plan(((1, 2),), least=1.5 * ROWS / SIZE)  # runs of two codes, cut where a bucket ends
    assert SIZE // 2 < len(set(coarser.fine["b"])) < SIZE
    assert len(set(zip(coarser.fine["b"], coarser.coarse["b"], strict=True))) == len(set(coarser.fine["b"]))


def test_what_does_not_fit_is_asked_over_fewer_buckets_or_not_at_all() -> None:
    pairs = ((1, 2), (0, 3))
    roomy = plan(pairs)
    assert roomy.pairs == ((0, 3), (1, 2))
    for most_cells in (SIZE**2 * 2 - 1, 150):
        tight = plan(pairs, most_cells=most_cells)
        cells = sum(math.prod(max(tight.fine[NAMES[node]]) + 1 for node in pair) for pair in tight.pairs)
        assert cells <= most_cells
    least = plan(pairs, most_cells=70)  # one over the coarse buckets: 64 cells; the best is kept
    assert least.pairs == ((1, 2),)
    assert least.fine == least.coarse


def test_finer_tables_cost_what_was_stated() -> None:
    mechanism = plan(((1, 2), (0, 3)), least=1.0).mechanism(0.3)
    assert mechanism.event() == GaussianEvent(mu=0.3)
    assert [query.columns for query in mechanism.queries] == [("a", "d"), ("b", "c")]


def answers(true: np.ndarray, sigma: float, seed: int = 0) -> Measurement:
    noisy = np.rint(true + np.random.default_rng(seed).normal(0, sigma, true.shape)).astype(np.int64)
    return Measurement(mechanism={}, event=GaussianEvent(mu=1.0), values=(noisy.ravel(),), sigmas=(sigma,))


def test_a_diagonal_inside_buckets_is_read_and_pure_noise_is_not() -> None:
    refinement = plan(((1, 2),))
    truth = np.diag(MARGINS["b"])
    (found,) = refinement.read(answers(truth, 40.0), MARGINS, {(1, 2): table(1.0)}).values()
    np.testing.assert_allclose(found.sum(0), MARGINS["c"], rtol=0.05)
    np.testing.assert_allclose(found.sum(1), MARGINS["b"])
    assert np.abs(found - truth).sum() / 2 / ROWS < 0.05
    flat = np.full((SIZE, SIZE), ROWS / SIZE**2)
    (found,) = refinement.read(answers(flat, 40.0), MARGINS, {(1, 2): table(0.0)}).values()
    np.testing.assert_allclose(found, flat)


def test_what_was_known_has_the_shares_of_its_own_columns() -> None:
    """Nothing is learnt where nothing is inside: the coarse table, spread by the counts of both columns."""
    rng = np.random.default_rng(0)
    margins = {name: rng.dirichlet(np.full(SIZE, 3.0)) * ROWS for name in NAMES}
    left, right = (merged(margins[name], COARSE[name]) for name in "bc")
    coarse = np.outer(left, right) / ROWS
    expected = np.outer(margins["b"], margins["c"]) / ROWS
    (found,) = plan(((1, 2),)).read(answers(expected, 20.0), margins, {(1, 2): coarse}).values()
    np.testing.assert_allclose(found, expected)


def test_the_estimate_of_least_risk() -> None:
    """For counts on a diagonal the noisy table without its negative cells; for no association what was known.

    Halfway or pulled estimates may be better still: none is much worse than the best of the two.
    """
    flat = np.full((SIZE, SIZE), ROWS / SIZE**2)
    diagonal = np.diag(MARGINS["a"])
    rng = np.random.default_rng(0)
    for truth, known in ((diagonal, flat), (flat, flat), (diagonal, diagonal)):
        for _ in range(20):
            noisy = truth + rng.normal(0, 40.0, truth.shape)
            found = _least_risk(noisy, 40.0, known)
            clipped = np.maximum(noisy, 0) * (ROWS / np.maximum(noisy, 0).sum())
            errors = [float(np.square(each - truth).sum()) for each in (found, clipped, known)]
            assert errors[0] < 0.5 * errors[1]
            assert errors[0] <= errors[2]
            if truth is known:
                np.testing.assert_array_equal(found, known)
            else:
                assert (found > 0).mean() < 0.3
                np.testing.assert_allclose(found.sum(), ROWS)


def test_classes_keep_their_margins_and_learn_what_the_finer_table_says() -> None:
    refinement = plan(((1, 2),))
    rng = np.random.default_rng(0)
    shares = np.array([0.7, 0.3])[:, None, None]
    before = shares * (table(0.5) / ROWS * rng.uniform(0.8, 1.2, (2, SIZE // OF, SIZE // OF)))
    before /= before.sum()
    finer = rng.gamma(0.2, size=(SIZE, SIZE))
    found = refinement.matched({(1, 2): before}, {(1, 2): finer})[1, 2]
    assert found.shape == before.shape
    np.testing.assert_allclose(found.sum(2), before.sum(2))
    np.testing.assert_allclose(found.sum(1), before.sum(1), rtol=1e-4)
    # What goes with what, margins aside, is that of the finer table: odds ratios, in the sum over one class.
    (single,) = refinement.matched({(1, 2): before[:1]}, {(1, 2): finer})[1, 2]
    sums = finer.reshape(SIZE // OF, OF, SIZE // OF, OF).sum((1, 3))

    def odds(counts: np.ndarray) -> np.ndarray:
        return counts[1:, 1:] * counts[:-1, :-1] / counts[1:, :-1] / counts[:-1, 1:]

    np.testing.assert_allclose(odds(single), odds(sums))


def copies(rows: int) -> dict[str, np.ndarray]:
    """Two columns of 60 values that always agree, and one that goes with neither."""
    rng = np.random.default_rng(0)
    a = rng.integers(0, 60, rows)
    return {"a": a, "b": a, "c": rng.integers(0, 3, rows), "d": rng.integers(0, 3, rows)}


def scales() -> Schema:
    wide = (Integer(name=n, minimum=0, maximum=59, cells=60, required=True) for n in "ab")
    small = (Integer(name=n, minimum=0, maximum=2, cells=3, required=True) for n in "cd")
    return Schema(columns=(*wide, *small))


def test_a_copy_is_recognised_inside_its_buckets(measurer: Build) -> None:
    """Without the second look a row would have the bucket of its twin, and any code in it."""
    asked = measurer(copies(30_000), schema=scales(), epsilon=0.5)
    model = AllPairs(refine_share=0.3).fit(asked)
    assert set(model.refined) == {(0, 1)}
    assert np.trace(model.marginal(["a", "b"])) > 0.9
    coarse = int(model.buckets[0].max()) + 1
    assert coarse < int(model.fine[0].max()) + 1
    drawn = model.sample_codes(30_000, np.random.default_rng(0))
    same = np.mean(drawn["a"] == drawn["b"])
    blind = type(model)(
        **{
            name: getattr(model, name)
            for name in ("schema", "total", "tree", "beliefs", "buckets", "details", "targets")
        }
    )
    without = blind.sample_codes(30_000, np.random.default_rng(0))
    assert same > 2.5 * np.mean(without["a"] == without["b"])
    assert np.abs(drawn["a"] - drawn["b"]).mean() < 0.75 * np.abs(without["a"] - without["b"]).mean()
    for name in "ab":
        shares = np.bincount(drawn[name], minlength=60) / 30_000
        assert np.abs(shares - 1 / 60).sum() / 2 < 0.06


def test_the_last_release_is_spent_whether_or_not_something_hides(measurer: Build) -> None:
    """The plan cannot know: where nothing hides, the same price buys the pairs once more."""
    independent = {
        n: np.random.default_rng(i).integers(0, s, 30_000)
        for i, (n, s) in enumerate({"a": 60, "b": 60, "c": 3, "d": 3}.items())
    }
    asked = [measurer(codes, schema=scales(), epsilon=4.0) for codes in (copies(30_000), independent)]
    models = [AllPairs().fit(each) for each in asked]
    assert asked[0].events == asked[1].events == AllPairs().plan(scales(), asked[0].budget).events
    assert models[0].refined
    assert not models[1].refined
    last = [each.asked[-1] for each in asked]
    assert [query.columns for query in last[0].queries] == [("a", "b")]
    assert len(last[1].queries) == 6
    assert [q.shape for q in last[1].queries] == [q.shape for q in asked[1].asked[1].queries[:6]]


def test_a_replay_gives_the_identical_refined_model() -> None:
    with Ledger.in_memory() as ledger:
        table = PrivateTable.load(pd.DataFrame(copies(8_000)), scales())
        session = Session.open(table, budget=Budget(epsilon=4.0, delta=1e-6), ledger=ledger, dataset="d")
        model = session.run(AllPairs())
    again = AllPairs().fit(Replay(session.transcript))
    assert model.refined
    (header, arrays), (other, others) = model.state(), again.state()
    assert header == other
    assert set(arrays) == set(others)
    assert all((arrays[name] == others[name]).all() for name in arrays)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_impossible_shares_are_refused(share: float) -> None:
    with pytest.raises(ConfigurationError):
        AllPairs(refine_share=share)
