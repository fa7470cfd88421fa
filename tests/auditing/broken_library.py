"""Broken twins of mechanisms, session and schema: each function breaks the library for one test."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpsynth.errors import DataError
from dpsynth.mechanisms import (
    GaussianMechanism,
    MarginalGap,
    Measurement,
    _clipped_sum,
    gaussian,
    partition,
    queries,
    selection,
)
from dpsynth.mechanisms import dp_sgd as training
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.privacy.events import GaussianEvent
from dpsynth.privacy.unit import Unit
from dpsynth.schema.schema import Schema
from dpsynth.session import _vault, discover
from dpsynth.session._spending import Spending
from dpsynth.session._vault import content_of

__all__ = [
    "all_labels_released",
    "better_of_two",
    "bounds_of_the_rows",
    "cheap_event",
    "clip_bound_halved",
    "codes_by_rank",
    "divided_by_rows",
    "divided_by_the_batch",
    "domain_of_the_rows",
    "empty_batches_skipped",
    "entered_afterwards",
    "labelled_with_rows",
    "labels_of_one_row_units",
    "never_entered",
    "noise_from_a_seed",
    "numbers_pass",
    "observed_cells_only",
    "one_noise_for_all",
    "priced_as_monotone",
    "pruned_scores",
    "quoting",
    "relation_forgotten",
    "rows_of_a_unit_forgotten",
    "score_grid_forgotten",
    "shuffled",
    "stopping_early",
    "unbounded",
    "unclipped",
]


def unclipped(patch: pytest.MonkeyPatch) -> None:
    real = training.clipped_sum

    def summed(*args: Any, clip: float, **more: Any) -> Any:
        return real(*args, clip=clip * 1e4, **more) * 10_000

    patch.setattr(training, "clipped_sum", summed)


def relation_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(queries, "marginal_sensitivity", lambda unit: _sensitivity(unit.contributions))


def _sensitivity(k: int) -> Any:
    return queries.Sensitivity(l1=float(k), l2=float(k))


def score_grid_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MarginalGap, "sensitivity", lambda _, unit: int(queries.marginal_sensitivity(unit).l1))


def divided_by_rows(patch: pytest.MonkeyPatch) -> None:
    real = gaussian.noisy_answers

    def answers(table: Any, asked: Any, scales: Any, draw: Any) -> Any:
        return real(table, asked, [scale / max(table.private_rows, 1) + 1e-9 for scale in scales], draw)

    patch.setattr(gaussian, "noisy_answers", answers)


def observed_cells_only(patch: pytest.MonkeyPatch) -> None:
    def answers(table: Any, asked: Any, scales: Any, draw: Any) -> Any:
        found = table.counts_of([query.counted for query in asked])
        noisy = zip(found, scales, strict=True)
        return tuple(np.where(counts > 0, counts + draw(scale, counts.size), 0) for counts, scale in noisy)

    patch.setattr(gaussian, "noisy_answers", answers)


def one_noise_for_all(patch: pytest.MonkeyPatch) -> None:
    real = gaussian.rounded_gaussian
    patch.setattr(gaussian, "rounded_gaussian", lambda sigma, size: np.repeat(real(sigma, 1), size))


def noise_from_a_seed(patch: pytest.MonkeyPatch) -> None:
    def seeded(sigma: float, size: int) -> Any:
        return np.rint(np.random.default_rng(0).normal(0, sigma, size)).astype(np.int64)

    patch.setattr(gaussian, "rounded_gaussian", seeded)


def clip_bound_halved(patch: pytest.MonkeyPatch) -> None:
    real = training.longest
    patch.setattr(training, "longest", lambda layers: real(layers) / 2)


def rows_of_a_unit_forgotten(patch: pytest.MonkeyPatch) -> None:
    real = gaussian.gaussian_sigma
    patch.setattr(gaussian, "gaussian_sigma", lambda query, mu, _: real(query, mu, Unit()))


def cheap_event(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(GaussianMechanism, "event", lambda self: GaussianEvent(mu=max(self.mus)))


def priced_as_monotone(patch: pytest.MonkeyPatch) -> None:
    real = selection.choose
    patch.setattr(selection, "choose", lambda scores, epsilon, moved: real(scores, 2 * epsilon, moved))


def pruned_scores(patch: pytest.MonkeyPatch) -> None:
    real = MarginalGap.evaluate

    def evaluate(self: MarginalGap, table: EncodedTable) -> Any:
        full = [
            all(table.marginal_counts((name,)).all() for name in clique if name == "colour")
            for clique in self.cliques
        ]
        return np.where(full, real(self, table), -(2**40))

    patch.setattr(MarginalGap, "evaluate", evaluate)


def better_of_two(patch: pytest.MonkeyPatch) -> None:
    real = Spending.draw

    def draw(self: Any, mechanism: Any, table: Any) -> Measurement:
        first = real(self, mechanism, table)
        second = mechanism.run(table, Unit())
        values = tuple((one + two) // 2 for one, two in zip(first.values, second.values, strict=True))
        return dataclasses.replace(first, values=values)

    patch.setattr(Spending, "draw", draw)


def entered_afterwards(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        Spending, "draw", lambda self, mechanism, table: _drawn(self, mechanism, table, entered=True)
    )


def never_entered(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        Spending, "draw", lambda self, mechanism, table: _drawn(self, mechanism, table, entered=False)
    )


def _drawn(self: Any, mechanism: Any, table: Any, *, entered: bool) -> Measurement:
    """A draw whose entry in the ledger comes after it, or not at all."""
    event = mechanism.event()
    label, self._filter = self._admit(mechanism, table)
    measurement: Measurement = mechanism.run(table, self._unit)
    if entered:
        self._ledger.draw(self._held().reservation, event.to_json(), position=len(self.measurements))
    self._keep(measurement, label)
    return measurement


def codes_by_rank(patch: pytest.MonkeyPatch) -> None:
    real = _vault.encode_column

    def encode(column: Any, values: Any, tokens: Any = ("",)) -> Any:
        codes = real(column, values, tokens)
        if column.name != "age" or not len(codes):
            return codes
        ranks = pd.Series(pd.to_numeric(values, errors="coerce")).rank(pct=True).fillna(0).to_numpy()
        return np.minimum((ranks * column.cell_count).astype(np.int32), column.cell_count - 1)

    patch.setattr(_vault, "encode_column", encode)


def unbounded(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_vault, "bounded_rows", lambda units, _: np.ones(len(units), dtype=bool))


def domain_of_the_rows(patch: pytest.MonkeyPatch) -> None:
    real = EncodedTable.counts_of
    patch.setattr(
        EncodedTable,
        "counts_of",
        lambda self, asked: [c if c.all() else np.trim_zeros(c, "b") for c in real(self, asked)],
    )


def quoting(patch: pytest.MonkeyPatch) -> None:
    real = _vault.readable

    def readable(column: Any, values: Any, tokens: Any) -> bool:
        if not real(column, values, tokens):
            raise DataError(f"Cannot read {values.iloc[-1]!r} in column {column.name!r}.")
        return True

    patch.setattr(_vault, "readable", readable)


def labelled_with_rows(patch: pytest.MonkeyPatch) -> None:
    real = Spending.draw

    def draw(self: Any, mechanism: Any, table: Any) -> Measurement:
        answer = real(self, mechanism, table)
        self.labels[-1] += f" of {table.private_rows} rows"
        return answer

    patch.setattr(Spending, "draw", draw)


def numbers_pass(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_clipped_sum, "_without", lambda values, _: values)


def shuffled(patch: pytest.MonkeyPatch) -> None:
    def batch(self: Any) -> Any:
        return np.random.default_rng(0).permutation(self._rows)[: self._rows // 5]

    patch.setattr(training._Training, "_batch", batch)


def stopping_early(patch: pytest.MonkeyPatch) -> None:
    real = training._Training.finished

    def finished(self: Any) -> Any:
        loss = float(self._codes.mean()) if self._rows else 0.0
        if self._asked.steps > 1 and round(loss * 1e6) % 2:
            self._asked = dataclasses.replace(self._asked, steps=self._asked.steps - 1)
        return real(self)

    patch.setattr(training._Training, "finished", finished)


def divided_by_the_batch(patch: pytest.MonkeyPatch) -> None:
    real, gradient = training._Training._batch, training._Training._gradient
    sizes: list[int] = []

    def batch(self: Any) -> Any:
        chosen = real(self)
        sizes.append(len(chosen))
        return chosen

    def divided(self: Any, noised: Any, step: int) -> Any:
        return gradient(self, noised, step) * (self._asked.batch / max(sizes[-1], 1))

    patch.setattr(training._Training, "_batch", batch)
    patch.setattr(training._Training, "_gradient", divided)


def empty_batches_skipped(patch: pytest.MonkeyPatch) -> None:
    real = training._Training._exact
    gradient = training._Training._gradient

    def exact(self: Any, chosen: Any) -> Any:
        self.__class__.empty = len(chosen) == 0
        return real(self, chosen)

    def skipped(self: Any, noised: Any, step: int) -> Any:
        return gradient(self, noised * (not self.__class__.empty), step)

    patch.setattr(training._Training, "empty", False, raising=False)
    patch.setattr(training._Training, "_exact", exact)
    patch.setattr(training._Training, "_gradient", skipped)


def bounds_of_the_rows(patch: pytest.MonkeyPatch) -> None:
    real = discover._bounds

    def bounds(schema: Schema, item: Any, ask: Any) -> Any:
        column = real(schema, item, ask)
        raw = content_of(ask.__self__._table).raw[item.column]
        numbers = pd.to_numeric(raw, errors="coerce").replace([np.inf, -np.inf], np.nan).dropna()
        if item.column != "age" or numbers.empty:
            return column
        return dataclasses.replace(column, minimum=int(numbers.min()) - 1, maximum=int(numbers.max()) + 1)

    patch.setattr(discover, "_bounds", bounds)


def all_labels_released(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(partition.PartitionSelection, "threshold", lambda *_: 1)


def labels_of_one_row_units(patch: pytest.MonkeyPatch) -> None:
    real = partition.PartitionSelection.sigma
    patch.setattr(partition.PartitionSelection, "sigma", lambda self, _: real(self, Unit()))
