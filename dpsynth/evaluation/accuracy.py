"""How well a model from synthetic rows alone does on private rows: a score that may be published.

The model is public, so its accuracy is two counts: of the rows of a holdout about which it is right, and of
the others. They cost as little as any table of two cells (`PredictionHits`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from dpsynth._lazy import require
from dpsynth.errors import ConfigurationError
from dpsynth.evaluation.learners import indicators, one_thread
from dpsynth.evaluation.results import Part, Result
from dpsynth.mechanisms import GaussianMechanism, PredictionHits, on_grid
from dpsynth.privacy.calibrate import mu_of
from dpsynth.session.plan import Plan, Step

if TYPE_CHECKING:
    from dpsynth.privacy.budget import Budget
    from dpsynth.schema.schema import Schema
    from dpsynth.session import Measurer

__all__ = ["Classifier", "PublishedAccuracy", "check_target", "countable", "share_of_noisy"]

Column = np.ndarray[Any, Any]
Codes = Mapping[str, Column]
Floats = np.ndarray[Any, np.dtype[np.float64]]

_MOST_CLASSES = 100
_BITS = 16  # of a weight below the point
_LARGEST = 2.0**12  # of a weight; nothing that was fitted with a penalty comes near
_NEVER = -(2**31)  # for codes that no synthetic row has
_TEST_EVERY = 5
_NORMAL = 1.96


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Classifier:
    """A public linear classifier, in the whole numbers that a private table is asked about.

    Attributes:
        query: What the holdout is asked.
        usual: The share of the target's commonest code among the synthetic rows.
        synthetic: The share of right predictions about synthetic rows that it has not seen.
    """

    query: PredictionHits
    usual: float
    synthetic: float

    @classmethod
    def of(cls, codes: Codes, schema: Schema, target: str) -> Classifier:
        """Train a logistic regression on synthetic rows; every fifth row tests it.

        Args:
            codes: The synthetic rows, by column, under the schema.
            schema: Complete.
            target: A column of at most 100 codes. A missing value is a code like any other.

        Raises:
            ConfigurationError: There is no such column, it has too many values, or there is no other column.
            MissingExtraError: scikit-learn is not installed.
        """
        check_target(schema, target)
        domain = schema.domain
        names = tuple(name for name in domain.columns if name != target)
        sizes = [domain.size_of(name) for name in names]
        inputs, truth = np.stack([codes[name] for name in names], axis=1), codes[target].astype(np.int64)
        tests = np.arange(len(truth)) % _TEST_EVERY == 0
        weights = on_grid(
            _weights(inputs[~tests], sizes, truth[~tests], domain.size_of(target)).clip(-_LARGEST, _LARGEST),
            _BITS,
        )
        weights[:, np.bincount(truth[~tests], minlength=weights.shape[1]) == 0] = _NEVER
        starts = np.cumsum([0, *sizes])
        said = sum(weights[start + column] for start, column in zip(starts, inputs[tests].T, strict=False))
        counts = np.bincount(truth)
        return cls(
            query=PredictionHits(
                target=target, columns=names, weights=tuple(np.split(weights, starts[1:-1]))
            ),
            usual=float(counts.max(initial=0) / max(len(truth), 1)),
            synthetic=float(np.mean(np.argmax(said, axis=1) == truth[tests])) if tests.any() else math.nan,
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PublishedAccuracy:
    """Asks a private holdout about how many of its rows a public classifier is right.

    Attributes:
        classifier: Trained on synthetic rows alone.

    Privacy: one Gaussian mechanism on two counts. Everything else is post-processing.
    """

    name: ClassVar[str] = "published accuracy"
    holds_zeros: ClassVar[bool] = True  # nothing is generated

    classifier: Classifier = field(repr=False)

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        """Hits and misses."""
        asked = self._asked(budget)
        asked.check(schema.domain, schema.unit)
        return Plan(method=self.name, steps=(Step(label="hits and misses", event=asked.event()),))

    def fit(self, measurer: Measurer, *, rng: object = None) -> Result:  # noqa: ARG002
        """Ask, and tell the accuracy with its interval. It has no class yet: see `published_scores`."""
        measured = measurer.measure(self._asked(measurer.budget))
        hits, misses = (float(one) for one in measured.values[0])
        value, interval = share_of_noisy(hits, misses, measured.sigmas[0])
        name = self.classifier.query.target
        return Result(
            name=f"published_accuracy_{name}",
            family="utility",
            title=f"Accuracy for {name} on held-out real rows, trained on synthetic rows, with noise",
            value=value,
            floor=self.classifier.usual,
            interval=interval,
            better="higher",
            rows=max(round(hits + misses), 0),
            note="Logistic regression on the codes of the schema. The interval is that of the noise; what "
            "other held-out rows would say comes on top. The floor is the share of the commonest value among "
            "the synthetic rows.",
            parts=(Part(label=("on synthetic rows that it has not seen",), value=self.classifier.synthetic),),
        )

    def _asked(self, budget: Budget) -> GaussianMechanism:
        return GaussianMechanism(queries=(self.classifier.query,), mus=(mu_of(budget) * (1 - 1e-9),))


def check_target(schema: Schema, target: str) -> None:
    """Refuse a column whose prediction cannot be counted, before any work.

    Raises:
        ConfigurationError: There is no such column, it has too many values, or there is no other column.
    """
    domain = schema.domain
    if target not in domain.columns or len(domain.columns) < 2:
        raise ConfigurationError(f"Expected {target!r} and other columns among those that the schema models.")
    if not countable(schema, target):
        raise ConfigurationError(
            f"Column {target!r} has more than {_MOST_CLASSES} values, too many for an accuracy. Take another "
            "target, or leave the accuracy out."
        )


def countable(schema: Schema, target: str) -> bool:
    """Whether a column has few enough values for an accuracy."""
    return schema.domain.size_of(target) <= _MOST_CLASSES


def share_of_noisy(hits: float, misses: float, sigma: float) -> tuple[float, tuple[float, float]]:
    """The share of hits, from counts with independent noise, and its 95 % interval (Fieller, 1954).

    For the true share p the number hits (1 - p) - misses p has mean 0 and variance sigma^2 ((1 - p)^2 + p^2).
    The interval holds each p for which it is at most 1.96 deviations from 0. Where the noise could hide all
    rows, that is everything.

    Args:
        hits: Noisy.
        misses: Noisy.
        sigma: Standard deviation of the noise of each.
    """
    total, margin = hits + misses, (_NORMAL * sigma) ** 2
    square = total**2 - 2 * margin
    if total <= 0 or square <= 0:
        return _within(hits / total) if total > 0 else math.nan, (0.0, 1.0)
    middle, spread = hits * total - margin, math.sqrt(margin * (hits**2 + misses**2 - margin))
    return _within(hits / total), (_within((middle - spread) / square), _within((middle + spread) / square))


def _within(share: float) -> float:
    return min(max(share, 0.0), 1.0)


def _weights(
    inputs: np.ndarray[Any, Any], sizes: list[int], truth: np.ndarray[Any, Any], classes: int
) -> Floats:
    """Of shape (codes of all inputs, classes): what a logistic regression adds to the score of each class."""
    found = np.zeros((sum(sizes), classes))
    known = np.unique(truth)
    if len(known) < 2:
        return found  # whatever the row, the one class that there is
    model = require("sklearn.linear_model", extra="eval").LogisticRegression(max_iter=200)
    with warnings.catch_warnings(), one_thread():
        warnings.simplefilter("ignore")  # a fit that stopped early is a classifier like any other
        model.fit(indicators(inputs.astype(np.int64), sizes), truth)
    columns = known[-1:] if len(known) == 2 else known  # of two classes the first has no weights
    found[:, columns] = model.coef_.T
    found[: sizes[0], columns] += model.intercept_  # each row has one code of the first column
    return found
