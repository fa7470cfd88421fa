"""Scores that may be published: a small set, charged through a session and the ledger like every release.

The distance of a real marginal from a *fixed* synthetic table moves by little when one unit comes or goes:
for each pair one cell changes by one row. So the mean distance over all pairs costs almost nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from dpsynth.evaluation.accuracy import Classifier, PublishedAccuracy, check_target
from dpsynth.evaluation.pair_gaps import counted_pairs, pair_counts, pair_gaps
from dpsynth.evaluation.results import Disclosure, Part, Result
from dpsynth.ledger import Spend
from dpsynth.mechanisms import GaussianMechanism, Marginal, NoisyScores, Total
from dpsynth.privacy.accountant import price
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import mu_of
from dpsynth.privacy.events import GaussianEvent
from dpsynth.schema.describe import code_labels
from dpsynth.schema.encode import encode_column
from dpsynth.session import Plan, PrivateTable, Session
from dpsynth.session.plan import Step

if TYPE_CHECKING:
    import pandas as pd

    from dpsynth.ledger import Ledger
    from dpsynth.mechanisms import Mechanism
    from dpsynth.schema.schema import Schema
    from dpsynth.session import Measurer, Source

__all__ = ["PublishedScores", "published_scores", "require_room"]

_ACCURACY = 0.25  # of the whole budget, for the holdout
_TOTAL, _GROUPS = 0.1, 0.3  # of mu squared; the rest is for the distances
_NORMAL = 1.96


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PublishedScores:
    """Asks a private table how far a synthetic one is, and how large its groups are.

    Attributes:
        codes: The synthetic rows, by column, under the schema of the session.
        protected: Columns whose shares are told.

    Privacy: Gaussian mechanisms on counts, and on distances of counts from public numbers (`MarginalGap`),
        with prices that are fixed beforehand. Everything else is post-processing.
    """

    name: ClassVar[str] = "published scores"
    holds_zeros: ClassVar[bool] = True  # nothing is generated

    codes: Mapping[str, np.ndarray[Any, Any]] = field(repr=False)
    protected: tuple[str, ...] = ()

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        """The number of rows, the distances, the groups."""
        asked: list[Mechanism] = [self._total(budget), self._distances(schema, budget, rows=1.0)]
        labels = ["number of rows", "distances of pairs"]
        if self.protected:
            asked.append(self._groups(schema, budget))
            labels.append("shares of groups")
        steps = [Step(label=label, event=one.event()) for label, one in zip(labels, asked, strict=True)]
        return Plan(method=self.name, steps=tuple(steps))

    def fit(self, measurer: Measurer, *, rng: object = None) -> tuple[Result, ...]:  # noqa: ARG002
        """Ask, and tell the answers with their intervals. They have no class yet: see `published_scores`."""
        schema, budget = measurer.schema, measurer.budget
        counted = measurer.measure(self._total(budget)).values[0]
        rows = max(float(np.ravel(counted)[0]), 1.0)
        asked = self._distances(schema, budget, rows=rows)
        measured = measurer.measure(asked)
        found = [_distance(measured.values[0], measured.sigmas[0], rows, asked.score.cliques)]
        if self.protected:
            answers = measurer.measure(self._groups(schema, budget))
            for name, noisy in zip(self.protected, answers.values, strict=True):
                found.append(self._shares(schema, name, np.maximum(noisy, 0)))
        return tuple(found)

    def _share(self, budget: Budget, part: float) -> float:
        return _mu(budget) * math.sqrt(part)

    def _total(self, budget: Budget) -> GaussianMechanism:
        return GaussianMechanism(queries=(Total(),), mus=(self._share(budget, _TOTAL),))

    def _distances(self, schema: Schema, budget: Budget, *, rows: float) -> NoisyScores:
        kept = 1 - _TOTAL - (_GROUPS if self.protected else 0.0)
        return pair_gaps(self.codes, schema, rows=rows, mu=self._share(budget, kept))

    def _groups(self, schema: Schema, budget: Budget) -> GaussianMechanism:
        queries = tuple(Marginal((name,)) for name in self.protected)
        for query in queries:
            query.check(schema.domain)
        each = self._share(budget, _GROUPS / len(queries))
        return GaussianMechanism(queries=queries, mus=(each,) * len(queries))

    def _shares(self, schema: Schema, name: str, noisy: np.ndarray[Any, Any]) -> Result:
        own = pair_counts(self.codes, (name,), schema.domain.shape((name,)))
        real, synthetic = noisy / max(noisy.sum(), 1), own / max(own.sum(), 1)
        gaps = np.abs(real - synthetic)
        labels = code_labels(next(column for column in schema.modelled if column.name == name))
        order = np.argsort(-gaps, kind="stable")
        return Result(
            name=f"published_shares_{name}",
            family="bias",
            title=f"Largest gap between shares of {name}",
            value=float(gaps.max()),
            rows=int(own.sum()),
            note="Parts are groups: the gap, and as ceiling the noisy real share.",
            parts=tuple(
                Part(label=(name, labels[code]), value=float(gaps[code]), ceiling=float(real[code]))
                for code in order
            ),
        )


def published_scores(  # noqa: PLR0913 - who pays, for what, from which account
    source: Source,
    synthetic: pd.DataFrame,
    schema: Schema,
    *,
    budget: Budget,
    ledger: Ledger,
    dataset: str,
    protected: Sequence[str] = (),
    target: str | None = None,
    holdout: Source | None = None,
) -> tuple[Result, ...]:
    """Charge `budget` and release the scores.

    Args:
        source: The private table: a path or a frame.
        synthetic: The fixed synthetic table. It must be public, or released with a guarantee itself: a table
            that follows the private rows without noise makes the distance depend on them twice, and nothing
            here covers that.
        schema: Complete, declared.
        budget: What the scores may cost, in addition to what the table has cost.
        ledger: Where it is recorded.
        dataset: The account of the people in both tables.
        protected: Columns whose shares are told.
        target: A column that a model from synthetic rows predicts; with `holdout`, its accuracy is told.
        holdout: Private rows that the generator has not seen. A quarter of the budget is for them.

    Returns:
        Results of the class `DP`; confidential ones if the run was tainted.

    Raises:
        ConfigurationError: The schema has fewer than two columns, or lacks a protected one or the target.
        BudgetExceededError: The account has no room for all of it. Nothing was drawn.

    Privacy: see `PublishedScores` and `PublishedAccuracy`; prices are in the ledger before each first draw.
        Both tables may be about the same people, so the two prices add up (basic composition); each is within
        its part of the budget, which is fixed beforehand.
    """
    accurate = target is not None and holdout is not None
    require_room(schema, budget=budget, ledger=ledger, dataset=dataset, target=target if accurate else None)
    codes = {
        column.name: encode_column(column, synthetic[column.name], schema.missing_values)
        for column in schema.modelled
    }
    kept = np.all([one >= 0 for one in codes.values()], axis=0)  # rows that the schema would drop
    codes = {name: one[kept] for name, one in codes.items()}
    runs: list[tuple[Source, Any]] = [(source, PublishedScores(codes=codes, protected=tuple(protected)))]
    if target is not None and holdout is not None:
        runs.append((holdout, PublishedAccuracy(classifier=Classifier.of(codes, schema, target))))
    sessions = [
        Session.open(PrivateTable.load(rows, schema), budget=part, ledger=ledger, dataset=dataset)
        for (rows, _), part in zip(runs, _parts(budget, accurate=accurate), strict=True)
    ]
    found: list[Result] = []
    for session, (_, asked) in zip(sessions, runs, strict=True):
        found += _classed(session, session.run(asked))
    return tuple(found)


def require_room(
    schema: Schema, *, budget: Budget, ledger: Ledger, dataset: str, target: str | None = None
) -> None:
    """Refuse, before any work, scores that cannot be bought; needs no rows.

    Args:
        schema: Complete, declared.
        budget: What the scores may cost.
        ledger: That of the account.
        dataset: Name of the account.
        target: The column whose prediction is told; None if none is.

    Raises:
        ConfigurationError: Pairs, or predictions of the target, cannot be counted.
        BudgetExceededError: The account has no room. Nothing was drawn.
    """
    counted_pairs(schema)
    if target is not None:
        check_target(schema, target)
    spends = []
    for part in _parts(budget, accurate=target is not None):
        cost = price((GaussianEvent(mu=_mu(part)),), delta=part.delta)
        spends.append(Spend(epsilon=cost.epsilon, delta=cost.delta, rho=cost.rho))
    ledger.require_room(ledger.account(dataset, str(schema.unit)), spends)


def _parts(budget: Budget, *, accurate: bool) -> tuple[Budget, ...]:
    """Of the table and, if there is one, of the holdout. The shares are exact in binary numbers."""
    if not accurate:
        return (budget,)

    def part(share: float) -> Budget:
        epsilon, rho = (None if one is None else share * one for one in (budget.epsilon, budget.rho))
        return Budget(epsilon=epsilon, rho=rho, delta=share * budget.delta)

    return part(1 - _ACCURACY), part(_ACCURACY)


def _classed(session: Session, found: Result | tuple[Result, ...]) -> list[Result]:
    """What a session told, with its price; what a tainted one told stays confidential."""
    promise, results = session.guarantee(), [found] if isinstance(found, Result) else list(found)
    if promise.taints:  # test noise, or a schema that was read off the rows, protects nobody
        return results
    release = promise.ledger.after.digest
    paid = Disclosure(kind="dp", epsilon=promise.epsilon, delta=promise.delta, release=release)
    return [replace(result, disclosure=paid) for result in results]


def _mu(budget: Budget) -> float:
    return mu_of(budget) * (1 - 1e-9)  # parts that are rounded up add up to less than the whole


def _distance(
    noisy: np.ndarray[Any, Any], sigma: float, rows: float, cliques: Sequence[tuple[str, ...]]
) -> Result:
    """The mean of noisy distances; noise of each is independent, so that of the mean is small."""
    distances = noisy / (2 * rows)
    spread = _NORMAL * sigma / (2 * rows) / math.sqrt(len(noisy))
    value = float(np.clip(distances.mean(), 0, 1))
    order = np.argsort(-distances, kind="stable")
    return Result(
        name="published_tvd2",
        family="fidelity",
        title="Mean total variation distance of pairs, with noise",
        value=value,
        interval=(max(value - spread, 0.0), min(value + spread, 1.0)),
        rows=round(rows),
        note="On the cells of the schema. The interval is that of the noise; parts are noisy one by one.",
        parts=tuple(Part(label=cliques[i], value=float(distances[i])) for i in order[:20]),
    )
