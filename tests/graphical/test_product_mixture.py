from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.errors import ConfigurationError, StorageError
from dpsynth.graphical import product_mixture
from dpsynth.graphical.product_mixture import ProductMixture, require_width
from dpsynth.schema.columns import Categorical
from dpsynth.schema.schema import Schema


def schema_of(sizes: tuple[int, ...]) -> Schema:
    return Schema(
        columns=tuple(
            Categorical(name=f"c{i}", categories=tuple(range(size)), required=True)
            for i, size in enumerate(sizes)
        )
    )


def mixture_of(schema: Schema, components: int, seed: int, *, zeros: float = 0.3) -> ProductMixture:
    """Random tables, some of their cells zero, none of them small; the last component never occurs."""
    rng = np.random.default_rng(seed)
    parts = []
    for size in schema.domain.sizes:
        table = rng.uniform(0.2, 1.0, (components, size)) * (rng.random((components, size)) >= zeros)
        table[np.arange(components), rng.integers(0, size, components)] += 0.2
        parts.append(table / table.sum(axis=1, keepdims=True))
    weights = rng.uniform(0.2, 1.0, components) * (np.arange(components) < max(components - 1, 1))
    return ProductMixture(
        schema=schema,
        total=50.0,
        weights=weights / weights.sum(),
        tables=np.concatenate(parts, axis=1).astype(np.float32),
    )


@st.composite
def mixtures(draw: st.DrawFn) -> ProductMixture:
    sizes = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    return mixture_of(schema_of(sizes), draw(st.integers(1, 4)), draw(st.integers(0, 2**32)))


def joint(model: ProductMixture) -> np.ndarray:
    """The full distribution by brute force, one axis for each column."""
    full = np.zeros(model.schema.domain.sizes)
    for weight, row in zip(model.weights, model.tables.astype(np.float64), strict=True):
        product, start = np.array(weight), 0
        for size in model.schema.domain.sizes:
            product, start = np.multiply.outer(product, row[start : start + size]), start + size
        full += product
    return full


@given(mixtures(), st.data())
@settings(max_examples=80)
def test_marginals_of_any_columns_equal_brute_force(model: ProductMixture, data: st.DataObject) -> None:
    full, names = joint(model), model.schema.domain.columns
    asked = data.draw(st.lists(st.sampled_from(range(len(names))), min_size=1, unique=True))
    others = tuple(axis for axis in range(len(names)) if axis not in asked)
    expected = full.sum(axis=others).transpose(np.argsort(np.argsort(asked)))
    np.testing.assert_allclose(model.marginal([names[i] for i in asked]), expected, atol=1e-6)


def test_a_marginal_in_blocks_of_components_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model = mixture_of(schema_of((3, 2, 4)), 7, 1)
    whole = model.marginal(["c2", "c0"])
    monkeypatch.setattr(product_mixture, "_CELLS", 12)
    np.testing.assert_allclose(model.marginal(["c2", "c0"]), whole, atol=1e-7)


def test_a_large_marginal_is_refused() -> None:
    model = mixture_of(schema_of((300, 300, 300)), 2, 0)
    with pytest.raises(ConfigurationError, match="fewer columns"):
        model.marginal(["c0", "c1", "c2"])
    assert model.marginal(["c0", "c1"]).shape == (300, 300)


@pytest.mark.parametrize("columns", [[], ["c0", "c0"], ["nothing"], "c0"])
def test_marginals_of_other_columns_are_refused(columns: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="modelled columns"):
        mixture_of(schema_of((2, 2)), 2, 0).marginal(columns)


@given(mixtures(), st.data())
@settings(max_examples=80)
def test_evidence_conditions_as_brute_force(model: ProductMixture, data: st.DataObject) -> None:
    evidence: dict[str, Any] = {}
    kept, domain = joint(model), model.schema.domain
    for axis, (name, size) in enumerate(zip(domain.columns, domain.sizes, strict=True)):
        kind = data.draw(st.sampled_from(["free", "code", "codes", "weights"]))
        codes = data.draw(st.lists(st.integers(0, size - 1), min_size=1, unique=True))
        weights = np.isin(np.arange(size), codes[:1] if kind == "code" else codes) * 1.0
        if kind == "weights":
            weights *= 0.5
        if kind != "free":
            evidence[name] = {"code": codes[0], "codes": codes, "weights": weights}[kind]
            kept = kept * weights.reshape([-1 if i == axis else 1 for i in range(kept.ndim)])
    assert model.probability(evidence) == pytest.approx(kept.sum(), abs=1e-6)
    rng = np.random.default_rng(0)
    if kept.sum() == 0:
        with pytest.raises(ConfigurationError, match="Fix fewer columns"):
            model.sample_codes(3, rng, evidence)
        return
    drawn = model.sample_codes(25, rng, evidence)
    assert (kept[tuple(drawn.values())] > 0).all()


def frequencies(drawn: dict[str, np.ndarray], sizes: tuple[int, ...]) -> np.ndarray:
    cells = np.ravel_multi_index(tuple(drawn.values()), sizes)
    return np.bincount(cells, minlength=int(np.prod(sizes))).reshape(sizes) / len(cells)


@pytest.mark.parametrize("evidence", [{}, {"c1": 1}, {"c0": [0, 2]}, {"c2": np.array([1.0, 0.25])}], ids=str)
def test_rows_have_the_frequencies_of_the_mixture(evidence: dict[str, Any]) -> None:
    model, rows = mixture_of(schema_of((3, 3, 2)), 4, 3), 60_000
    expected = joint(model)
    for axis, name in enumerate(model.schema.domain.columns):
        known = evidence.get(name, slice(None))
        weights = known if isinstance(known, np.ndarray) else np.zeros(expected.shape[axis])
        if not isinstance(known, np.ndarray):
            weights[known] = 1.0
        expected = expected * weights.reshape([-1 if i == axis else 1 for i in range(3)])
    expected /= expected.sum()
    drawn = model.sample_codes(rows, np.random.default_rng(1), evidence)
    found = frequencies(drawn, (3, 3, 2))
    assert np.abs(found - expected).max() < 5 * np.sqrt(0.25 / rows)
    assert not found[expected == 0].any()
    assert all(codes.dtype == np.int32 for codes in drawn.values())


def test_components_occur_as_often_as_expected() -> None:
    tables = np.eye(3, dtype=np.float32)
    weights = np.array([0.25, 0.6, 0.15])
    model = ProductMixture(schema=schema_of((3,)), total=1.0, weights=weights, tables=tables)
    drawn = model.sample_codes(1000, np.random.default_rng(0))["c0"]
    assert np.abs(np.bincount(drawn) - 1000 * weights).max() <= 1
    assert (np.diff(drawn) != 0).mean() > 0.4  # in random order


def test_rows_in_blocks_are_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    model = mixture_of(schema_of((3, 2)), 4, 2)
    whole = model.sample_codes(50, np.random.default_rng(3))
    monkeypatch.setattr(product_mixture, "_CELLS", 20)
    parts = model.sample_codes(50, np.random.default_rng(3))
    for name in whole:
        np.testing.assert_array_equal(whole[name], parts[name])


class Highest:
    """A generator whose numbers are as close to one as they get."""

    def random(self, size: int | None = None) -> Any:
        return 1 - 2.0**-53 if size is None else np.full(size, 1 - 2.0**-53)

    def permutation(self, values: np.ndarray) -> np.ndarray:
        return values


@pytest.mark.parametrize("seed", range(5))
def test_neither_codes_nor_components_without_probability_are_drawn_at_the_edge(seed: int) -> None:
    model = mixture_of(schema_of((4, 4)), 5, seed, zeros=0.6)
    drawn = model.sample_codes(400, Highest())  # type: ignore[arg-type]
    assert (joint(model)[tuple(drawn.values())] > 0).all()
    known = {"c0": np.full(3, int(drawn["c0"][0]))}
    completed = model.complete_codes(3, known, Highest())  # type: ignore[arg-type]
    assert (joint(model)[tuple(completed.values())] > 0).all()


def test_no_rows_are_drawn_where_none_are_asked_for() -> None:
    model = mixture_of(schema_of((2, 3)), 2, 0)
    for drawn in (
        model.sample_codes(0, np.random.default_rng(0)),
        model.complete_codes(0, {}, np.random.default_rng(0)),
    ):
        assert {name: codes.shape for name, codes in drawn.items()} == {"c0": (0,), "c1": (0,)}


@given(mixtures(), st.integers(0, 2**32))
@settings(max_examples=60)
def test_calibration_gives_the_margins(model: ProductMixture, seed: int) -> None:
    rng = np.random.default_rng(seed)
    margins = {}
    for name, size in zip(model.schema.domain.columns, model.schema.domain.sizes, strict=True):
        margins[name] = 7 * rng.uniform(0.1, 1.0, size)
        margins[name][rng.random(size) < 0.2] = 0.0
        margins[name][-1] += 1.0
    before = model.tables.copy()
    found = ProductMixture(
        schema=model.schema, total=1.0, weights=model.weights, tables=model.tables + np.float32(0.05)
    ).calibrated(margins)
    for name, wanted in margins.items():
        marginal = found.marginal([name])
        np.testing.assert_allclose(marginal, wanted / wanted.sum(), atol=1e-5)
        assert not marginal[wanted == 0].any()
    np.testing.assert_allclose(found.tables.sum(axis=1), len(margins), rtol=1e-5)
    np.testing.assert_array_equal(model.tables, before)


def test_calibration_changes_all_components_by_the_same_factors() -> None:
    """So the odds ratios of how columns go together stay, where margins change."""
    tables = np.array([[0.9, 0.1, 0.8, 0.2], [0.2, 0.8, 0.3, 0.7]], np.float32)
    model = ProductMixture(schema=schema_of((2, 2)), total=1.0, weights=np.full(2, 0.5), tables=tables)
    found = model.calibrated({"c0": np.array([0.3, 0.7]), "c1": np.array([0.5, 0.5])})
    for part in (slice(0, 2), slice(2, 4)):
        odds = [t[:, part][:, 0] / t[:, part][:, 1] for t in (tables, found.tables)]
        assert odds[1][0] / odds[1][1] == pytest.approx(odds[0][0] / odds[0][1], rel=1e-4)
    pair = found.marginal(["c0", "c1"])
    assert pair[0, 0] / pair[0].sum() > pair[1, 0] / pair[1].sum() + 0.1


def test_a_mixture_that_has_its_margins_stays_as_it_is() -> None:
    model = mixture_of(schema_of((3, 2)), 3, 4)
    again = model.calibrated({name: model.marginal([name]) for name in ("c0", "c1")})
    np.testing.assert_allclose(again.tables, model.tables, atol=1e-6)


def with_missing() -> Schema:
    return Schema(
        columns=(
            Categorical(name="a", categories=("x", "y")),
            Categorical(name="b", categories=("x", "y", "z")),
            Categorical(name="c", categories=("x",), required=True),
        )
    )


@pytest.mark.parametrize("known", [{"a": 1}, {"b": 2}, {"a": 0, "b": 1}, {"a": 2, "c": 0}], ids=str)
def test_records_are_completed_in_proportion(known: dict[str, int]) -> None:
    model, rows = mixture_of(with_missing(), 4, 6, zeros=0.1), 40_000
    drawn = model.complete_codes(
        rows, {name: np.full(rows, code) for name, code in known.items()}, np.random.default_rng(5)
    )
    expected = np.zeros((3, 4, 1))
    where = tuple(known.get(name, slice(None)) for name in "abc")
    expected[where] = joint(model)[where]
    expected /= expected.sum()
    assert np.abs(frequencies(drawn, (3, 4, 1)) - expected).max() < 5 * np.sqrt(0.25 / rows)


def test_minus_one_asks_for_any_code_but_missing() -> None:
    model, rows = mixture_of(with_missing(), 4, 6, zeros=0.1), 40_000
    asked = np.full(rows, -1)
    drawn = model.complete_codes(rows, {"a": asked, "c": asked}, np.random.default_rng(5))
    expected = joint(model)
    expected[with_missing().modelled[0].missing_code] = 0
    expected /= expected.sum()
    found = frequencies(drawn, (3, 4, 1))
    assert not found[expected == 0].any()
    assert np.abs(found - expected).max() < 5 * np.sqrt(0.25 / rows)


@given(st.integers(0, 2**32))
@settings(max_examples=40)
def test_what_is_known_is_kept_whatever_it_is(seed: int) -> None:
    """Also where the mixture holds it impossible, and in blocks of few records."""
    model, rng, rows = mixture_of(with_missing(), 3, seed, zeros=0.6), np.random.default_rng(seed), 30
    known = {name: rng.integers(-1, size, rows) for name, size in (("b", 4), ("a", 3))}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(product_mixture, "_CELLS", 20)
        drawn = model.complete_codes(rows, known, rng)
    for name, codes in known.items():
        missing = next(column for column in with_missing().modelled if column.name == name).missing_code
        assert (drawn[name][codes >= 0] == codes[codes >= 0]).all()
        assert (drawn[name][codes < 0] != missing).all()
    assert set(drawn["c"]) == {0}
    assert all(codes.dtype == np.int32 for codes in drawn.values())


def test_impossible_records_are_completed_still() -> None:
    tables = np.array([[1, 0, 0, 1, 0, 0, 0, 1], [0, 1, 0, 0, 1, 0, 0, 1]], np.float32)
    model = ProductMixture(schema=with_missing(), total=1.0, weights=np.full(2, 0.5), tables=tables)
    known = {"a": np.array([2, 0]), "b": np.array([3, 1])}
    drawn = model.complete_codes(2, known, np.random.default_rng(0))
    assert [drawn[name].tolist() for name in "abc"] == [[2, 0], [3, 1], [0, 0]]
    # A column whose every code but "missing" is impossible still gives one of them.
    tables = np.array([[0, 0, 1, 0, 0, 0, 1, 1]], np.float32)
    model = ProductMixture(schema=with_missing(), total=1.0, weights=np.ones(1), tables=tables)
    drawn = model.complete_codes(50, {"a": np.full(50, -1)}, np.random.default_rng(0))
    assert set(drawn["a"]) == {0, 1}
    assert set(drawn["b"]) == {3}


@pytest.mark.parametrize("known", [{"z": [0]}, {"a": [9]}, {"a": [-2]}, {"a": [0.5]}, {"a": [0, 0]}], ids=str)
def test_records_that_do_not_fit_are_refused(known: dict[str, list]) -> None:
    arrays = {name: np.array(codes) for name, codes in known.items()}
    with pytest.raises(ConfigurationError, match="expected 1 codes"):
        mixture_of(with_missing(), 2, 0).complete_codes(1, arrays, np.random.default_rng(0))


def test_state_and_back() -> None:
    model = mixture_of(schema_of((3, 2)), 3, 5)
    header, arrays = model.state()
    again = ProductMixture.from_state(model.schema, json.loads(json.dumps(header)), arrays)
    assert again.total == model.total
    np.testing.assert_array_equal(again.weights, model.weights)
    np.testing.assert_array_equal(again.tables, model.tables)
    assert not again.tables.flags.writeable
    assert not again.weights.flags.writeable


@pytest.mark.parametrize(
    ("header", "arrays"),
    [
        ({"total": "many"}, {}),
        ({"total": None}, {}),
        ({"total": float("nan")}, {}),
        ({"total": -1.0}, {}),
        ({}, {"weights": np.array(1.0)}),
        ({}, {"weights": np.array([0.5, 0.4])}),
        ({}, {"weights": np.array([1.5, -0.5])}),
        ({}, {"weights": np.array([np.nan, 1.0])}),
        ({}, {"weights": np.array([0.5, 0.25, 0.25])}),
        ({}, {"weights": np.array([[0.5], [0.5]])}),
        ({}, {"weights": np.array(["a", "b"])}),
        ({}, {"weights": np.zeros(0), "tables": np.zeros((0, 4))}),
        ({}, {"tables": np.full(4, 0.5)}),
        ({}, {"tables": np.full((2, 5), 0.4)}),
        ({}, {"tables": np.full((3, 4), 0.5)}),
        ({}, {"tables": np.full((2, 4), 0.6)}),
        ({}, {"tables": np.array([[0.5, 0.5, 1.5, -0.5]] * 2)}),
        ({}, {"tables": np.array([[0.5, 0.5, np.inf, 0.5]] * 2)}),
        ({}, {"tables": np.array([["a"] * 4] * 2)}),
    ],
)
def test_a_state_that_does_not_fit_is_refused(header: dict, arrays: dict) -> None:
    model = mixture_of(schema_of((2, 2)), 2, 0)
    good_header, good_arrays = model.state()
    with pytest.raises(StorageError):
        ProductMixture.from_state(model.schema, good_header | header, good_arrays | arrays)


@pytest.mark.parametrize("lost", ["total", "weights", "tables"])
def test_a_state_without_a_part_is_refused(lost: str) -> None:
    model = mixture_of(schema_of((2, 2)), 2, 0)
    header, arrays = model.state()
    with pytest.raises(StorageError, match="lacks"):
        ProductMixture.from_state(
            model.schema,
            {key: value for key, value in header.items() if key != lost},
            {key: value for key, value in arrays.items() if key != lost},
        )


def test_tables_beyond_the_limit_are_refused() -> None:
    require_width(schema_of((3, 5)), components=10, limit=320)
    with pytest.raises(ConfigurationError, match="11 components over 8 codes"):
        require_width(schema_of((3, 5)), components=11, limit=351)
