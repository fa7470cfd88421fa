"""A warm start of `allpairs`: what is known before the first answer of a run, and how it joins the answers.

From an earlier release about the same table: its noisy tables are more measurements of the same counts, so
they join by inverse variance. From public data: expected counts, which join with the error that the noisy
tables say they have. Both are public before the run, so nothing here asks anything or costs anything.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dpsynth.errors import ConfigurationError
from dpsynth.generators.base import ExactModel
from dpsynth.generators.buckets import Groups, merged
from dpsynth.generators.classes import PairRelease
from dpsynth.generators.measured import MeasuredTable, measured_tables
from dpsynth.generators.one_ways import Noisy
from dpsynth.graphical.consistency import FloatArray
from dpsynth.mechanisms import Marginal, gaussian_sigma
from dpsynth.privacy.events import GaussianEvent
from dpsynth.privacy.unit import Unit
from dpsynth.schema.schema import Schema
from dpsynth.session.transcript import Transcript

__all__ = ["Known", "KnownBuckets", "known_before", "origin"]

_KEPT = 0.5
"""Least price of earlier pairs (of mu squared), in parts of that of the new ones, for keeping buckets."""
_SHARPER = 2.0
"""Buckets are chosen as if pairs were measured at so many times their price (mu), with public data."""
_MIXED = 1e-3
"""Share of independence in what is expected, so that nothing is impossible."""
_SWEEPS = 30
_LARGEST = 2**22

PairTables = dict[tuple[str, str], Noisy]


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownBuckets:
    """The buckets of an earlier release of the same pairs.

    Attributes:
        groups: The bucket of each code of every column that has a pair.
        price: What the release cost (mu), columns that it counted again included.
        mu: What the pairs alone cost in it.
    """

    groups: Mapping[str, Groups]
    price: float
    mu: float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Known:
    """What is known before a run.

    Attributes:
        tables: Noisy tables of an earlier run.
        prices: For each of its Gaussian releases its place in that run and its price (mu).
        public: A model of public data.
    """

    tables: tuple[MeasuredTable, ...] = ()
    prices: Mapping[int, float] = field(default_factory=dict)
    public: ExactModel | None = None

    @property
    def sharper(self) -> float:
        """How much finer than noise alone would have it buckets are to be, as a factor of mu."""
        return 1.0 if self.public is None else _SHARPER

    def columns(self, answers: Mapping[str, Noisy]) -> dict[str, Noisy]:
        """The one-way counts together with the earlier ones, by inverse variance."""
        found = {}
        for name, noisy in answers.items():
            codes: tuple[Groups, ...] = (tuple(range(noisy[0].size)),)
            alone = [table for table in self.tables if table.columns == (name,)]
            found[name] = _joined(noisy, [_over(table, (name,), codes) for table in alone])
        return found

    def buckets(
        self, pairs: Sequence[tuple[str, str]], *, target: str | None, mu: float, unit: Unit
    ) -> KnownBuckets | None:
        """The buckets of the most precise earlier release of all `pairs`, if they are to be kept.

        They are if its price (of mu squared) is at least half of that of the new release: then both add
        up exactly, which is worth more than buckets that suit the new noise. The rule reads queries and
        prices only.

        Args:
            pairs: What will be asked.
            target: The column of classes.
            mu: The price of the new release.
            unit: The unit of privacy.
        """
        found = [known for known in self._releases(pairs, target, unit) if known.price**2 >= _KEPT * mu**2]
        return max(found, key=lambda known: known.mu, default=None) if pairs else None

    def pairs(
        self, release: PairRelease, answers: PairTables, margins: Mapping[str, FloatArray]
    ) -> PairTables:
        """The tables of a release together with what is known about them.

        Earlier tables join where the buckets of the release are unions of theirs.

        Args:
            release: What was asked.
            answers: For each pair its noisy counts, one table for each class along the first axis.
            margins: Cleaned counts of the codes of each column, with one sum.
        """
        tables = {}
        for pair, noisy in answers.items():
            columns, groups = _axes(release, pair)
            shape = noisy[0].shape
            joining = [_over(table, columns, groups) for table in self.tables if len(table.columns) > 1]
            reshaped = [(v.reshape(shape), s.reshape(shape)) for v, s in filter(None, joining)]
            tables[pair] = _joined(noisy, reshaped)
        return tables if self.public is None else _pulled(self.public, release, tables, margins)

    def _releases(
        self, pairs: Sequence[tuple[str, str]], target: str | None, unit: Unit
    ) -> Iterator[KnownBuckets]:
        """The earlier releases that counted all `pairs`, with one map from codes to buckets for a column."""
        first = () if target is None else (target,)
        wanted = {(*first, *pair) for pair in pairs}
        for release in self.prices:
            own = [table for table in self.tables if table.release == release and table.columns in wanted]
            maps = {
                (name, tuple(group.tolist()))
                for table in own
                for name, group in zip(table.columns, table.groups, strict=True)
            }
            groups = dict(maps)
            if {table.columns for table in own} == wanted and len(groups) == len(maps):
                one = gaussian_sigma(Marginal(columns=own[0].columns), 1.0, unit)
                mu = math.hypot(*(one / table.sigma for table in own))
                yield KnownBuckets(groups=groups, price=self.prices[release], mu=mu)


def known_before(schema: Schema, earlier: Transcript | None, public: ExactModel | None) -> Known:
    """What a transcript and a public model say about a table of `schema`.

    Raises:
        ConfigurationError: One of them speaks about other columns, values or rows.
        StorageError: The transcript contradicts its schema.
    """
    if public is not None and _modelled(public.schema, Unit()) != _modelled(schema, Unit()):
        raise ConfigurationError(
            f"Expected a public model with the columns of the schema; {_differing(public.schema, schema)}. "
            "Fit the public rows under the schema of this run."
        )
    if earlier is None:
        return Known(public=public)
    if earlier.tainted:
        raise ConfigurationError(
            "The noise of the earlier release came from a test source, so no run can start from it."
        )
    if _modelled(earlier.schema, earlier.schema.unit) != _modelled(schema, schema.unit):
        raise ConfigurationError(
            "Expected an earlier release of the same columns and unit of privacy as the schema; "
            f"{_differing(earlier.schema, schema)}. Run without it, or under its schema."
        )
    prices = {
        place: measurement.event.mu
        for place, measurement in enumerate(earlier.measurements)
        if isinstance(measurement.event, GaussianEvent)
    }
    return Known(tables=measured_tables(earlier), prices=prices, public=public)


def origin(source: Transcript | ExactModel) -> str:
    """A digest: equal ones mean that a run starts from the same."""
    digest = hashlib.sha256(source.schema.digest().encode())
    if isinstance(source, Transcript):
        for each in source.measurements:
            told = [dict(each.mechanism), each.event.to_json(), each.sigmas]
            digest.update(json.dumps(told, sort_keys=True).encode())
            for values in each.values:
                digest.update(values.tobytes())
        return f"transcript {digest.hexdigest()}"
    header, arrays = source.state()
    digest.update(json.dumps(header, sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(name.encode() + arrays[name].tobytes())
    return f"model {digest.hexdigest()}"


def _modelled(schema: Schema, unit: Unit) -> tuple[str, Unit]:
    """What decides about the codes of rows: the modelled columns, and which rows count."""
    return Schema(columns=schema.modelled, missing_values=schema.missing_values).digest(), unit


def _differing(known: Schema, schema: Schema) -> str:
    """Which columns differ, in words; schemas are public."""
    ours = {column.name: column for column in schema.modelled}
    theirs = {column.name: column for column in known.modelled}
    names = sorted(name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name))
    return f"these differ: {names}" if names else "their order, missing values or unit differ"


def _axes(release: PairRelease, pair: tuple[str, str]) -> tuple[tuple[str, ...], tuple[Groups, ...]]:
    """The columns of the table of a pair, classes first, and their buckets."""
    columns = pair if release.target is None else (release.target, *pair)
    return columns, tuple(release.groups[name] for name in columns)


def _over(
    table: MeasuredTable, columns: tuple[str, ...], groups: Sequence[Groups]
) -> tuple[FloatArray, FloatArray] | None:
    """The counts of combinations of buckets from a table, and the variance of each; None if it lacks them.

    The table may have more columns, which are summed out. Its own buckets must not span two of `groups`.
    """
    if not set(columns) <= set(table.columns):
        return None
    axes = [table.columns.index(name) for name in columns]
    others = [axis for axis in range(len(table.columns)) if axis not in axes]
    parents = []
    for axis, group in zip(axes, groups, strict=True):
        wanted, (_, first) = np.array(group), np.unique(table.groups[axis], return_index=True)
        if not np.array_equal(wanted[first][table.groups[axis]], wanted):
            return None
        parents.append(wanted[first])
    summed = table.values.astype(np.float64).transpose(*axes, *others)
    counts = summed.reshape(*summed.shape[: len(axes)], -1).sum(-1)
    cells = table.values.size / counts.size
    values, variances = (np.zeros([max(group) + 1 for group in groups]) for _ in range(2))
    np.add.at(values, np.ix_(*parents), counts)
    np.add.at(variances, np.ix_(*parents), table.sigma**2 * cells)
    return values, variances


def _joined(noisy: Noisy, more: Sequence[tuple[FloatArray, FloatArray] | None]) -> Noisy:
    """The inverse-variance mean in each cell, and the root of the mean variance."""
    estimates = [(noisy[0], np.full(noisy[0].shape, noisy[1] ** 2)), *filter(None, more)]
    if len(estimates) == 1:
        return noisy
    precision = np.sum([1 / variance for _, variance in estimates], axis=0)
    mean = np.sum([values / variance for values, variance in estimates], axis=0) / precision
    return mean, math.sqrt(float(np.mean(1 / precision)))


def _pulled(
    public: ExactModel, release: PairRelease, tables: PairTables, margins: Mapping[str, FloatArray]
) -> PairTables:
    """The tables, pulled towards what public data lead to expect, as far as the noisy ones agree with it.

    The squared distance of all noisy tables from the expected ones, less the variance of their noise, is an
    unbiased estimate of how wrong the expected ones are (empirical Bayes: Efron and Morris, 1973). An
    expected cell is taken to be wrong in proportion to the mean cell of its table. No more trust is had
    than noise lets be checked: the error is taken to be one standard deviation of that estimate at least.
    What is wrong by more than the noise has no say.
    """
    expected = {}
    for pair in tables:
        columns, groups = _axes(release, pair)
        if public.schema.domain.cells(columns) <= _LARGEST:
            sums = [merged(margins[name], group) for name, group in zip(columns, groups, strict=True)]
            known = _with_margins(_merged_axes(public.marginal(columns), groups), sums)
            expected[pair] = known.reshape(tables[pair][0].shape)
    if not expected:
        return tables
    distance = sum(float(np.sum((tables[pair][0] - known) ** 2)) for pair, known in expected.items())
    noise = sum(tables[pair][1] ** 2 * known.size for pair, known in expected.items())
    doubt = math.sqrt(sum(2 * tables[pair][1] ** 4 * known.size for pair, known in expected.items()))
    wrong = max(distance - noise, doubt)
    if wrong > noise:
        return tables
    wrong /= sum(known.mean() ** 2 * known.size for known in expected.values())
    found = dict(tables)
    for pair, known in expected.items():
        found[pair] = _joined(tables[pair], [(known, np.full(known.shape, wrong * known.mean() ** 2))])
    return found


def _merged_axes(table: FloatArray, groups: Sequence[Groups]) -> FloatArray:
    """A table over codes as one over buckets."""
    sums = np.zeros([max(group) + 1 for group in groups])
    np.add.at(sums, np.ix_(*(np.array(group) for group in groups)), table)
    return sums


def _with_margins(table: FloatArray, margins: Sequence[FloatArray]) -> FloatArray:
    """The association of `table` with the given margins: iterative proportional fitting along each axis."""
    total = float(margins[0].sum())
    independent: FloatArray = np.ones(())
    for margin in margins:
        independent = np.multiply.outer(independent, margin / total)
    fitted: FloatArray = ((1 - _MIXED) * table / table.sum() + _MIXED * independent) * total
    for _ in range(_SWEEPS):
        for axis, margin in enumerate(margins):
            present = fitted.sum(tuple(other for other in range(table.ndim) if other != axis))
            ratio = np.divide(margin, present, out=np.zeros_like(margin), where=present > 0)
            fitted = fitted * ratio.reshape([-1 if other == axis else 1 for other in range(table.ndim)])
    return fitted
