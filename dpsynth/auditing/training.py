"""Private training by known words: which rows are in a batch, what they add, and what is added to that.

One step is run from fresh averages, without public rows: the first average of the gradients is then a tenth
of the noised sum, which is all that leaves a step. Words say which rows join the batch, so that neighbours
have the same batch but for the rows of one unit, as the proof of the sampled Gaussian mechanism has it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dpsynth.auditing.exact_answers import ask, rows_of
from dpsynth.auditing.known_words import LOUD, LOUD_GAUSSIAN, SILENT, Answering, Constant, Heard
from dpsynth.auditing.made_up import Neighbours
from dpsynth.auditing.movements import Verdicts
from dpsynth.errors import DpsynthError
from dpsynth.mechanisms import DpSgd, TrainingState, parameter_count
from dpsynth.schema.encode import encode_column
from dpsynth.testing.insecure import WordArray

__all__ = ["trained"]

_WORD = 2**32
_IN, _OUT = 0, _WORD - 1
_FIRST_BETA = 0.9
_SEED_WORDS = 4  # of the noise of losses, which hides nothing: the same in every probe
_TABLES = ("without", "base", "far", "many rows")
_SLACK = 1.05
"""Rounding and the order of sums move a clipped row by less than this; both are charged (`_clipped_sum`)."""
_CLIP = 1e-3
"""So small that every made-up row is clipped."""

Array = np.ndarray[Any, Any]


def trained(mechanism: DpSgd, ground: Neighbours) -> Verdicts:
    """What is wrong with the training that `mechanism` describes, on the tables of `ground`."""
    stand = _Stand.of(mechanism, ground)
    yield from _batches(stand)
    yield from _clipping(stand)
    yield from _not_finite(stand)
    yield from _noise(stand)
    yield from _steps(stand, mechanism)


@dataclass(frozen=True, slots=True, eq=False)
class _Stand:
    """One step of training, and the tables on which it is looked at, with how many rows they have."""

    probe: DpSgd
    ground: Neighbours
    rows: Mapping[str, int]

    @classmethod
    def of(cls, mechanism: DpSgd, ground: Neighbours) -> _Stand:
        """The first step of `mechanism` from where it starts."""
        start = TrainingState.fresh(mechanism.start.parameters)
        probe = dataclasses.replace(mechanism, steps=1, public_weight=0.0, clip=_CLIP, start=start)
        tables = [name for name in _TABLES if name in ground.tables]
        return cls(probe, ground, {name: rows_of(ground.schema, ground.tables[name]) for name in tables})

    def sum(self, table: str, word: int, noise: Constant = SILENT, *, most: int | None = None) -> Array:
        """The noised sum of one step, in clips. Rows have `word` as theirs; `most` of the first, if given."""
        schema, frame, words = (
            self.ground.schema,
            self.ground.tables[table],
            self.words(table, word, noise, most),
        )
        try:
            (answer,) = ask([self.probe], schema, frame, lambda _: words)
        except DpsynthError:  # a step that fails adds no number
            return np.array([math.nan])
        first = answer.values[2].astype(np.float64)
        found: Array = first / (1 - _FIRST_BETA) * self.probe.batch / self.probe.clip
        return found

    def words(self, table: str, word: int, noise: Constant = SILENT, most: int | None = None) -> Answering:
        """Words that give every row `word`, and `noise` to the sums."""
        joining = np.full(2 * -(-self.rows[table] // 2), word, dtype=np.uint32)
        if most is not None:
            joining[most:] = _OUT
        packed = joining.view(np.uint64)

        def give(count: int) -> WordArray | None:
            if count == len(packed):
                return packed
            return None if count == _SEED_WORDS else noise.words(count)

        return Answering(give)


def _batches(stand: _Stand) -> Verdicts:
    """Each row joins by a word of its own, and not more often than the rate that is paid."""
    probe, k = stand.probe, stand.ground.schema.unit.contributions
    rate = -math.expm1(math.log1p(-probe.sampling_rate) / k) if probe.sampling_rate < 1 else 1.0
    if rate == 1:
        return
    for word in (_OUT, min(math.floor(rate * _WORD) + 1, _OUT)):
        if _norm(stand.sum("base", word)) > 0:
            yield "batches", "Rows are in a batch that their own words keep out."
            return
    half = stand.sum("base", _IN, most=1)
    if not 0 < _norm(half) <= _SLACK:
        yield "batches", "A batch of one row does not add up to the gradient of one row."


def _clipping(stand: _Stand) -> Verdicts:
    """A unit moves the sum over one batch by the clip norm for each of its rows, and not further."""
    allowed = stand.ground.schema.unit.contributions * _SLACK
    without = stand.sum("without", _IN)
    for name in stand.rows:
        if not _norm(stand.sum(name, _IN) - without) <= allowed:
            yield (
                "clipping",
                f"The unit called {name!r} moves the sum of gradients further than the clip norm.",
            )
            return


def _not_finite(stand: _Stand) -> Verdicts:
    """A unit whose gradients are no numbers adds nothing."""
    start = TrainingState.fresh(_poisoned(stand.probe, stand.ground))
    poisoned = dataclasses.replace(stand, probe=dataclasses.replace(stand.probe, start=start))
    one, two = (poisoned.sum(name, _IN) for name in ("without", "far"))
    allowed = stand.ground.schema.unit.contributions * _SLACK
    if not _norm(one - two) <= allowed:  # neither if it is no number
        yield "clipping", "A gradient that is no number passes the clipping."


def _noise(stand: _Stand) -> Verdicts:
    """The noise on every parameter, against what the multiplier and the clip norm need."""
    probe, unit = stand.probe, stand.ground.schema.unit
    one, two = (stand.sum("base", word, LOUD) - stand.sum("base", word) for word in (_IN, _OUT))
    needed = probe.noise_multiplier * unit.contributions * LOUD_GAUSSIAN
    if not min(one.min(), two.min()) >= needed * (1 - 1e-3):
        yield "noise", "The noise on a sum of gradients is less than its price needs."
    if not np.allclose(one, two, rtol=1e-2, atol=1e-2 * needed):
        yield "noise", "The noise on a sum of gradients depends on the rows of the batch."


def _steps(stand: _Stand, mechanism: DpSgd) -> Verdicts:
    """As many draws as steps are paid, whatever the rows are."""
    ground = stand.ground
    size = parameter_count(mechanism.network, ground.schema.domain.only(mechanism.columns))
    portions = set(_chunks(size))
    for name in stand.rows:
        heard = Heard(stand.words(name, _OUT))
        ask([mechanism], ground.schema, ground.tables[name], lambda _, heard=heard: heard)  # type: ignore[misc]
        if sum(count for _, count in heard.log if count in portions) != mechanism.steps * size:
            yield "draws", "Training draws noise for more or fewer steps than are paid."
            return


def _chunks(size: int, chunk: int = 2**15) -> Iterator[int]:
    """In what portions the noise of so many numbers is drawn."""
    return (min(chunk, size - start) for start in range(0, size, chunk))


def _poisoned(probe: DpSgd, ground: Neighbours) -> Array:
    """Parameters at which the gradient of the unit called `far` is no number; nobody else has its code."""
    read = ground.schema.domain.only(probe.columns)
    name = read.columns[0]
    column = next(column for column in ground.schema.modelled if column.name == name)
    values = ground.tables["far"][name].iloc[-1:]
    code = int(encode_column(column, values, ground.schema.missing_values)[0])
    first = probe.network.layers(read)[0]
    parameters: Array = probe.start.parameters.copy()
    parameters[code * first.outputs : (code + 1) * first.outputs] = np.inf
    return parameters


def _norm(values: Array) -> float:
    return float(np.linalg.norm(values))
