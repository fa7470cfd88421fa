"""A measurer at a smaller budget that holds no data: it answers from what one paid run recorded.

**Theorem.** Let the paid run ask Gaussian mechanisms, and let a method ask `Degraded` at a smaller budget. As
long as every asked table is a sum of recorded cells and `Fidelity.exact` holds (no table was noisier than a
fresh one, none was divided, nothing was frozen), all answers together have the law of the answers of a
fresh run at the smaller budget, up to the rounding that `reservoir` bounds.

*Proof.* Tables of different recorded queries have independent noise. Those of one query are taken from its
reservoir, whose lemma makes them independent, each with the variance that a fresh answer has. What is asked
may depend on earlier answers: given these, the rest of every reservoir still is the truth plus independent
Gaussian noise of a variance that does not depend on them, so the argument goes on from step to step.  ∎

What that says about privacy, and what it does not:

- Everything here is post-processing of one paid run. Its guarantee, at the paid epsilon, covers all of it
  together, and any part that is published, whoever chose it and why.
- Where the theorem holds, publishing *only* the answers at one epsilon' *that was fixed beforehand* has the
  law of a fresh run at epsilon', so it would be epsilon'-DP: with real numbers and a secret seed. What is
  drawn here are floats from a seed that stands in a file, so no certificate says it. Who picks epsilon' by
  looking at several points has used all of them: his release has the paid epsilon and no smaller one.
- Choices (`ExponentialMechanism`) and scores are *frozen*: they are those of the paid run, made with its
  precision. Such points tell what a fresh run would give that chose as well as the paid one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dpsynth.errors import ReplayError
from dpsynth.mechanisms import (
    ExponentialMechanism,
    GaussianMechanism,
    Marginal,
    MergedMarginal,
    NoisyScores,
    Total,
)
from dpsynth.mechanisms.base import Measurement
from dpsynth.tuning.reservoir import Fold, Reservoir, fold, folded, inside_buckets, reservoirs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dpsynth.mechanisms import Mechanism
    from dpsynth.privacy.budget import Budget
    from dpsynth.schema.layout import Domain
    from dpsynth.schema.schema import Schema
    from dpsynth.session import Transcript

__all__ = ["Degraded", "Fidelity"]

_ROUNDING = 1 / 12  # what rounding to whole numbers adds to a variance
_ENOUGH = 1 + 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class Fidelity:
    """How near the answers were to those of a fresh run.

    Attributes:
        tables: How many noisy tables were asked.
        noisier: Of these, how many are noisier than a fresh one, or share its noise with another.
        divided: How many divide a recorded bucket among several asked ones.
        frozen: How many choices and sets of scores are those of the paid run.
    """

    tables: int = 0
    noisier: int = 0
    divided: int = 0
    frozen: int = 0

    @property
    def exact(self) -> bool:
        """Whether the law is that of a fresh run."""
        return not (self.noisier or self.divided or self.frozen)

    def in_words(self) -> str:
        """A sentence for the note of a point."""
        if self.exact:
            return "The law is that of a fresh run."
        told = {
            "tables are noisier than in a fresh run": self.noisier,
            "divide buckets of the paid run": self.divided,
            "choices are those of the paid run": self.frozen,
        }
        return f"Of {self.tables} tables: {'; '.join(f'{n} {text}' for text, n in told.items() if n)}."


class Degraded:
    """Answers at `budget` from a transcript; holds no data.

    Args:
        transcript: The paid run, of the same method at a larger budget.
        budget: What a fresh run would have.
        rng: Source of the added noise: post-processing, so it may have a seed.

    Privacy: post-processing of the transcript. See the theorem above for the law of the answers.
    """

    def __init__(self, transcript: Transcript, budget: Budget, rng: np.random.Generator) -> None:
        self._transcript, self._budget, self._rng = transcript, budget, rng
        self._tables = reservoirs(transcript)
        self._of_column: dict[str, list[Reservoir]] = {}
        for table in self._tables:
            for name in table.columns:
                self._of_column.setdefault(name, []).append(table)
        self._folds: dict[Any, Fold] = {}
        self._choices = iter(_of_type(transcript, "exponential-mechanism/1"))
        self._scores = iter(_of_type(transcript, "noisy-scores/1"))
        self._count = {"tables": 0, "noisier": 0, "divided": 0, "frozen": 0}

    @property
    def schema(self) -> Schema:
        """The schema of the paid run."""
        return self._transcript.schema

    @property
    def budget(self) -> Budget:
        """The smaller budget."""
        return self._budget

    @property
    def fidelity(self) -> Fidelity:
        """How near the answers so far are to those of a fresh run."""
        return Fidelity(**self._count)

    def measure(self, mechanism: Mechanism) -> Measurement:
        """What the paid run says to `mechanism`, with the noise of a fresh answer.

        Raises:
            ReplayError: The paid run did not record what it takes.
        """
        if isinstance(mechanism, GaussianMechanism):
            return self._counts(mechanism)
        if isinstance(mechanism, ExponentialMechanism):
            return self._choice(mechanism)
        if isinstance(mechanism, NoisyScores):
            return self._noisy_scores(mechanism)
        raise ReplayError(
            f"{type(mechanism).__name__} has no answer at a smaller budget. Methods that count and choose "
            "can be read at several epsilons from one run; for methods that train, see `trajectory`."
        )

    def select(self, mechanism: Mechanism) -> int:
        """The choice of the paid run."""
        return int(self.measure(mechanism).values[0][0])

    def _counts(self, mechanism: GaussianMechanism) -> Measurement:
        sigmas = mechanism.sigmas(self.schema.unit)
        answers, deviations = [], []
        for query, sigma in zip(mechanism.queries, sigmas, strict=True):
            if not isinstance(query, (Marginal, Total)):
                raise ReplayError(f"{type(query).__name__} has no answer at a smaller budget.")
            values, variance = self._table(*_asked(query, self.schema.domain), variance=sigma**2)
            answers.append(_whole(values))
            deviations.append(math.sqrt(variance + _ROUNDING))
        return _measurement(mechanism, tuple(answers), tuple(deviations))

    def _table(
        self, columns: Sequence[str], groups: Sequence[np.ndarray[Any, Any]], *, variance: float
    ) -> tuple[np.ndarray[Any, Any], float]:
        """Noisy counts of the asked buckets, flat, and the largest variance of a cell."""
        found = [(table, self._maps(table, columns, groups)) for table in self._able(columns)]
        if not found:
            raise ReplayError(
                f"The paid run has no table of {list(columns)} together, so it does not say what this method "
                "would do at a smaller budget. Sweep it over public data instead."
            )

        def rank(item: tuple[Reservoir, list[Fold]]) -> tuple[bool, bool, float, float]:
            table, folds = item
            noise = table.variance * math.prod(float(one.factors.max()) for one in folds)
            more = len(table.columns) - len(columns)
            short = noise > variance * _ENOUGH
            return short, any(one.divided for one in folds), noise if short else more, noise

        table, folds = min(found, key=rank)
        noisier, divided, _, _ = rank((table, folds))
        self._count["tables"] += 1
        self._count["noisier"] += noisier
        self._count["divided"] += divided
        values, has = folded(table, folds, variance=variance, rng=self._rng)
        order = [table.columns.index(name) for name in columns]
        summed = [axis for axis, name in enumerate(table.columns) if name not in columns]
        return values.transpose([*order, *summed]).ravel(), has

    def _able(self, columns: Sequence[str]) -> list[Reservoir]:
        some = self._of_column.get(columns[0], []) if columns else self._tables
        return [table for table in some if set(columns) <= set(table.columns)]

    def _maps(
        self, table: Reservoir, columns: Sequence[str], groups: Sequence[np.ndarray[Any, Any]]
    ) -> list[Fold]:
        wanted = dict(zip(columns, groups, strict=True))
        return [
            self._fold(name, recorded, wanted.get(name))
            for name, recorded in zip(table.columns, table.groups, strict=True)
        ]

    def _fold(self, name: str, recorded: np.ndarray[Any, Any], asked: np.ndarray[Any, Any] | None) -> Fold:
        key = (name, recorded.tobytes(), None if asked is None else asked.tobytes())
        if key not in self._folds:
            self._folds[key] = fold(recorded, asked, inside_buckets(self._tables, name, recorded))
        return self._folds[key]

    def _choice(self, mechanism: ExponentialMechanism) -> Measurement:
        """The candidate that the paid run chose; where it is none, the likest that was measured."""
        recorded = next(self._choices, None)
        if recorded is None:
            raise ReplayError(
                "The paid run chose less often than this method does at a smaller budget. "
                "Sweep it over public data instead."
            )
        offered = [list(clique) for clique in mechanism.score.cliques]
        place, known = int(recorded.values[0][0]), recorded.mechanism["score"]["cliques"]
        if offered != known:
            chosen = set(known[place])

            def rank(index: int) -> tuple[bool, int, int]:
                own = set(offered[index])
                return bool(self._able(offered[index])), len(own & chosen) - len(own ^ chosen), -index

            place = max(range(len(offered)), key=rank)
        self._count["frozen"] += 1
        return _measurement(mechanism, (_whole(np.array([place])),), (0.0,))

    def _noisy_scores(self, mechanism: NoisyScores) -> Measurement:
        """The scores of the paid run: distances from its estimates, with the noise of a fresh answer.

        What it did not count after looking at them is out of the question here too.
        """
        recorded = next(self._scores, None)
        cliques = [list(clique) for clique in mechanism.score.cliques]
        if recorded is None or recorded.mechanism["score"]["cliques"] != cliques:
            raise ReplayError(
                "The paid run scored other candidates. Sweep this method over public data instead."
            )
        sigma, has = mechanism.sigma(self.schema.unit), recorded.sigmas[0]
        more = math.sqrt(max(sigma**2 - has**2, 0.0))
        values = recorded.values[0] + more * self._rng.standard_normal(len(cliques))
        counted = np.array([bool(self._able(clique)) for clique in cliques])
        values = np.where(counted, values, -np.abs(values).max() - sigma)
        self._count["frozen"] += 1
        return _measurement(mechanism, (_whole(values),), (math.sqrt(max(sigma, has) ** 2 + _ROUNDING),))


def _asked(
    query: Marginal | Total, domain: Domain
) -> tuple[tuple[str, ...], tuple[np.ndarray[Any, Any], ...]]:
    """The columns of a query and the bucket of each of their codes."""
    if isinstance(query, Total):
        return (), ()
    if isinstance(query, MergedMarginal):
        return query.columns, tuple(np.array(group, np.int64) for group in query.groups)
    return query.columns, tuple(np.arange(size) for size in domain.shape(query.columns))


def _of_type(transcript: Transcript, kind: str) -> Iterator[Measurement]:
    return (one for one in transcript.measurements if one.mechanism["type"] == kind)


def _whole(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    rounded: np.ndarray[Any, Any] = np.rint(values).astype(np.int64)
    rounded.setflags(write=False)
    return rounded


def _measurement(
    mechanism: Mechanism, values: tuple[np.ndarray[Any, Any], ...], sigmas: tuple[float, ...]
) -> Measurement:
    return Measurement(mechanism=mechanism.describe(), event=mechanism.event(), values=values, sigmas=sigmas)
