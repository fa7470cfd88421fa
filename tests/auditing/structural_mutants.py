"""Broken twins of the library, one for each known error of private generators, and the check that finds it.

Each mutant says what stands for: `MUTANTS` is also the source of a table in the documentation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from dpsynth.errors import DataError
from dpsynth.generators.base import Generator, Plan, Rng
from dpsynth.generators.independent import Independent
from dpsynth.generators.mst import MST
from dpsynth.graphical.tree import TreeModel
from dpsynth.mechanisms import (
    Critic,
    DpSgd,
    GaussianMechanism,
    MarginalGap,
    Measurement,
    TrainingState,
    gaussian,
    parameter_count,
    partition,
    queries,
    selection,
)
from dpsynth.mechanisms import dp_sgd as training
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.events import GaussianEvent
from dpsynth.privacy.unit import Unit
from dpsynth.schema.schema import Schema
from dpsynth.session import Measurer, Step, _vault, discover
from dpsynth.session._spending import Spending
from dpsynth.session._vault import content_of

__all__ = ["BUDGET", "MUTANTS", "Mutant", "Training"]

BUDGET = Budget(epsilon=8.0, delta=1e-6)
_COUNTS = Budget(epsilon=1.0, delta=1e-7)
_NETWORK = Critic(hidden=(16,))
ROW, SEVERAL, REPLACED = 0, 1, 2
"""Which made-up tables show it: a unit is a row, owns several rows, or is replaced by another."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mutant:
    """One broken twin.

    Attributes:
        name: Of the error.
        pitfall: Its number in the list of pitfalls.
        broken: What is broken, in words.
        check: The check that has to find it.
        install: Breaks the library, for one test.
        generator: What is audited, broken itself or on the broken library; None for discovery.
        ground: On which made-up tables.
    """

    name: str
    pitfall: str
    broken: str
    check: str
    install: Callable[[pytest.MonkeyPatch], None] = lambda _: None
    generator: Callable[[], Generator] | None = Independent
    ground: int = ROW


@dataclass(frozen=True, kw_only=True)
class Training:
    """Counts columns, then trains a little: the smallest method that audits all of private training."""

    name: ClassVar[str] = "training"
    counts: Independent = dataclasses.field(default_factory=Independent)

    def asked(self, schema: Schema, measurer: Measurer | None) -> DpSgd:
        size = parameter_count(_NETWORK, schema.domain)
        return DpSgd(
            network=_NETWORK,
            start=TrainingState.fresh(np.linspace(-1, 1, size, dtype=np.float32)),
            steps=3,
            sampling_rate=0.2,
            noise_multiplier=2.0,
            batch=16.0,
            public=np.zeros((0, len(schema.domain.sizes)), np.int64),
        )

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        asked = self.asked(schema, None)
        asked.check(schema.domain, schema.unit)
        steps = self.counts.plan(schema, _COUNTS).steps
        return Plan(method=self.name, steps=(*steps, Step(label="training", event=asked.event())))

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> TreeModel:
        model = self.counts.fit(_Cheaper(measurer), rng=rng)
        measurer.measure(self.asked(measurer.schema, measurer))
        return model


class _Cheaper:
    """A measurer with the budget of the counts."""

    budget = _COUNTS

    def __init__(self, measurer: Measurer) -> None:
        self.schema, self.measure, self.select = measurer.schema, measurer.measure, measurer.select


def peeked(measurer: Any) -> EncodedTable:
    """The private table behind a measurer, by a way that nobody pays for."""
    door = getattr(measurer, "door", measurer)
    cells = [cell.cell_contents for cell in door.measure.__closure__]
    return next(content for content in cells if isinstance(content, EncodedTable))


def has_rows(measurer: Any) -> bool:
    """Whether there is a table to look at: a replay has none."""
    return hasattr(measurer, "door")


@dataclass(frozen=True, kw_only=True)
class ExactRows:
    """Gives the private number of rows to its model."""

    name: ClassVar[str] = "independent"

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        return Independent().plan(schema, budget)

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> TreeModel:
        model = Independent().fit(measurer, rng=rng)
        if not has_rows(measurer):
            return model
        return dataclasses.replace(model, total=float(peeked(measurer).private_rows))


@dataclass(frozen=True, kw_only=True)
class Preprocessing(ExactRows):
    """Computes the mean of a column before it asks, and lets the model follow."""

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> TreeModel:
        model = Independent().fit(measurer, rng=rng)
        if not has_rows(measurer):
            return model
        codes = peeked(measurer).codes("age")
        shift = float(codes.mean()) / 1e6 if len(codes) else 0.0
        return dataclasses.replace(model, total=model.total * (1 + shift))


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """Leaves out candidates that the rows do not fill before it chooses among them."""

    name: ClassVar[str] = "mst"

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        return MST().plan(schema, budget)

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> TreeModel:
        return MST().fit(_Pruned(measurer) if has_rows(measurer) else measurer, rng=rng)


class _Pruned:
    """A measurer that chooses among the pairs that many rows fill."""

    def __init__(self, measurer: Measurer) -> None:
        self.schema, self.budget, self.measure = measurer.schema, measurer.budget, measurer.measure
        self._inner = measurer

    def select(self, mechanism: Any) -> int:
        score, table = mechanism.score, peeked(self._inner)
        filled = [np.count_nonzero(table.marginal_counts(clique)) > 12 for clique in score.cliques]
        kept = [i for i, full in enumerate(filled) if full] or list(range(len(filled)))
        fewer = MarginalGap(
            cliques=tuple(score.cliques[i] for i in kept),
            estimates=tuple(score.estimates[i] for i in kept),
            bits=score.bits,
            penalties=tuple(score.penalties[i] for i in kept),
        )
        return kept[self._inner.select(dataclasses.replace(mechanism, score=fewer))]


@dataclass(frozen=True, kw_only=True)
class DataSizedBatch(Training):
    """Takes the size of its batches from the number of rows."""

    def asked(self, schema: Schema, measurer: Measurer | None) -> DpSgd:
        asked = super().asked(schema, measurer)
        rows = peeked(measurer).private_rows if has_rows(measurer) else 80
        return dataclasses.replace(asked, batch=max(asked.sampling_rate * rows, 1.0))


@dataclass(frozen=True, kw_only=True)
class Speaking(ExactRows):
    """Prints how many rows it saw."""

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> TreeModel:
        if has_rows(measurer):
            print(f"fitting {peeked(measurer).private_rows} rows")
        return Independent().fit(measurer, rng=rng)


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
    label, self._filter = self._admit(event)
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
    from dpsynth.mechanisms import _clipped_sum

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


MUTANTS = (
    Mutant(
        name="no clipping",
        pitfall="P30",
        broken="gradients of rows are added at their full length",
        check="clipping",
        install=unclipped,
        generator=Training,
    ),
    Mutant(
        name="gradients that are no numbers",
        pitfall="P30",
        broken="a row whose gradient is not finite is not left out",
        check="clipping",
        install=numbers_pass,
        generator=Training,
    ),
    Mutant(
        name="shuffled batches",
        pitfall="P27",
        broken="batches are cut from a permutation, and priced as Poisson samples",
        check="batches",
        install=shuffled,
        generator=Training,
    ),
    Mutant(
        name="empty batches skipped",
        pitfall="P28",
        broken="an empty batch makes no noisy step",
        check="noise",
        install=empty_batches_skipped,
        generator=Training,
    ),
    Mutant(
        name="early stop",
        pitfall="P34",
        broken="the number of steps follows from the rows",
        check="draws",
        install=stopping_early,
        generator=Training,
    ),
    Mutant(
        name="divided by the real batch",
        pitfall="P35",
        broken="noised sums are divided by the number of rows in the batch",
        check="noise",
        install=divided_by_the_batch,
        generator=Training,
    ),
    Mutant(
        name="batch size of the data",
        pitfall="P35",
        broken="a parameter of training is computed from the number of rows",
        check="questions",
        generator=DataSizedBatch,
    ),
    Mutant(
        name="relation forgotten",
        pitfall="P14",
        broken="replacing a unit is given the sensitivity of adding or removing one",
        check="sensitivity",
        install=relation_forgotten,
        ground=REPLACED,
    ),
    Mutant(
        name="score too insensitive",
        pitfall="P42",
        broken="the sensitivity of the score of a pair leaves out the grid that scores are on",
        check="selection",
        install=score_grid_forgotten,
        generator=MST,
    ),
    Mutant(
        name="priced as monotone",
        pitfall="P40",
        broken="the exponential mechanism weighs a score that moves both ways like a monotone one",
        check="selection",
        install=priced_as_monotone,
        generator=MST,
    ),
    Mutant(
        name="scores pruned by data",
        pitfall="P15",
        broken="candidates with a code that no row has cannot be chosen",
        check="selection",
        install=pruned_scores,
        generator=MST,
    ),
    Mutant(
        name="candidates pruned by data",
        pitfall="P15",
        broken="which pairs are candidates follows from the rows",
        check="questions",
        generator=Pruning,
    ),
    Mutant(
        name="noise divided by n",
        pitfall="P13",
        broken="the scale of the noise is divided by the number of rows",
        check="noise",
        install=divided_by_rows,
    ),
    Mutant(
        name="observed cells only",
        pitfall="P05",
        broken="cells that no row has stay zero",
        check="noise",
        install=observed_cells_only,
    ),
    Mutant(
        name="one noise for all cells",
        pitfall="P29",
        broken="one draw is added to every cell of a table",
        check="draws",
        install=one_noise_for_all,
    ),
    Mutant(
        name="bound k not in sigma",
        pitfall="P41",
        broken="noise is that of units with one row",
        check="noise",
        install=rows_of_a_unit_forgotten,
        ground=SEVERAL,
    ),
    Mutant(
        name="contribution bound ignored",
        pitfall="P41",
        broken="all rows of a unit are counted",
        check="sensitivity",
        install=unbounded,
        ground=SEVERAL,
    ),
    Mutant(
        name="cheap event",
        pitfall="P20",
        broken="several queries are priced like the dearest of them",
        check="bill",
        install=cheap_event,
    ),
    Mutant(
        name="two draws for one event",
        pitfall="P29",
        broken="a mechanism is drawn twice and the mean handed out, for one entry in the ledger",
        check="draws",
        install=better_of_two,
    ),
    Mutant(
        name="entered afterwards",
        pitfall="P12",
        broken="the ledger learns of a draw when its answer exists: after a crash it was free",
        check="order",
        install=entered_afterwards,
    ),
    Mutant(
        name="never entered",
        pitfall="P12",
        broken="draws are not in the ledger",
        check="bill",
        install=never_entered,
    ),
    Mutant(
        name="exact number of rows",
        pitfall="P01",
        broken="the default size of a sample is the private number of rows",
        check="rows",
        generator=ExactRows,
    ),
    Mutant(
        name="unpaid preprocessing",
        pitfall="P10",
        broken="a mean is computed from the rows beside the measurer",
        check="model",
        generator=Preprocessing,
    ),
    Mutant(
        name="domain from data",
        pitfall="P02",
        broken="the last cells of a table end where the rows end",
        check="domain",
        install=domain_of_the_rows,
    ),
    Mutant(
        name="codes by rank",
        pitfall="P39",
        broken="the code of a number is its rank among all rows",
        check="sensitivity",
        install=codes_by_rank,
    ),
    Mutant(
        name="error with a value",
        pitfall="P06",
        broken="an error quotes what could not be read",
        check="messages",
        install=quoting,
    ),
    Mutant(
        name="printed number of rows",
        pitfall="P06",
        broken="a fit prints how many rows there are",
        check="messages",
        generator=Speaking,
    ),
    Mutant(
        name="label with the number of rows",
        pitfall="P09",
        broken="the guarantee tells the number of rows in a label",
        check="artefacts",
        install=labelled_with_rows,
    ),
    Mutant(
        name="bounds from data",
        pitfall="P03",
        broken="discovered bounds are the smallest and the largest value",
        check="domain",
        install=bounds_of_the_rows,
        generator=None,
    ),
    Mutant(
        name="vocabulary for free",
        pitfall="P18",
        broken="every label that occurs is released",
        check="partition",
        install=all_labels_released,
        generator=None,
    ),
    Mutant(
        name="bound k not in the vocabulary",
        pitfall="P41",
        broken="noise and threshold of a list of categories are those of units with one row",
        check="partition",
        install=labels_of_one_row_units,
        generator=None,
        ground=SEVERAL,
    ),
)
