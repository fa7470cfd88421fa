"""The first step of every marginal method: all columns, one Gaussian mechanism."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dpsynth.generators.shares import divided
from dpsynth.graphical.consistency import FloatArray, combine, estimate_total
from dpsynth.graphical.estimation import clean_margin, ordered_cells
from dpsynth.mechanisms import GaussianMechanism, Marginal, Measurement, MergedMarginal, Total
from dpsynth.schema.layout import Domain
from dpsynth.schema.schema import Schema

__all__ = [
    "Noisy",
    "OneWays",
    "clean_margins",
    "column_weight",
    "columns_again",
    "one_way_noise",
    "one_ways",
    "table_total",
    "varied_columns",
    "whole_column",
    "with_more",
]

_MOST_WEIGHED = 64

Noisy = tuple[FloatArray, float]
"""A noisy table and the standard deviation of each of its cells."""


def varied_columns(domain: Domain) -> tuple[str, ...]:
    """The columns that have more than one code: the others need no measurement."""
    return tuple(name for name, size in zip(domain.columns, domain.sizes, strict=True) if size > 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class OneWays:
    """A plan to measure every column of `domain` that varies, or the number of rows if none does.

    Attributes:
        columns: The columns that are measured.
        mechanism: What is asked.
    """

    columns: tuple[str, ...]
    mechanism: GaussianMechanism

    def read(self, measurement: Measurement) -> dict[str, Noisy]:
        """The noisy counts by column; the number of rows has the name "" if no column varies."""
        names = self.columns or ("",)
        return {name: (np.asarray(v, np.float64), s) for name, (v, s) in zip(names, measurement, strict=True)}


def one_ways(domain: Domain, mu: float) -> OneWays:
    """Divide `mu` over the columns.

    A column of k codes gets precision mu_i² in proportion to k^(2/3), which minimises the sum over
    columns of the expected L1 error, k sigma_i. More than 64 codes count as 64: so many are neighbours on
    a scale, whose counts are smoothed, or rare categories, which are merged.
    """
    columns = varied_columns(domain)
    if not columns:
        return OneWays(columns=(), mechanism=GaussianMechanism(queries=(Total(),), mus=(mu,)))
    weights = [column_weight(domain.size_of(name)) for name in columns]
    mus = tuple(mu * math.sqrt(weight / sum(weights)) for weight in weights)
    queries = tuple(Marginal(columns=(name,)) for name in columns)
    return OneWays(columns=columns, mechanism=GaussianMechanism(queries=queries, mus=mus))


def clean_margins(schema: Schema, noisy: Mapping[str, Noisy], total: float) -> dict[str, FloatArray]:
    """Counts for every modelled column: smooth on ordered scales, not negative, with the sum `total`."""
    margins: dict[str, FloatArray] = {}
    for column in schema.modelled:
        if column.name in noisy:
            values, sigma = noisy[column.name]
            margins[column.name] = clean_margin(values, sigma, total, ordered=ordered_cells(column))
        else:
            margins[column.name] = np.array([total])
    return margins


def table_total(tables: Mapping[Any, Noisy]) -> float:
    """The number of rows, from every noisy table at once."""
    return estimate_total(list(tables.values()))


def column_weight(size: int) -> float:
    """The precision that a column of `size` codes gets, in proportion."""
    return float(min(size, _MOST_WEIGHED) ** (2 / 3))


def whole_column(domain: Domain, name: str) -> MergedMarginal:
    """A column without merging, as a query whose number is not fixed in the plan."""
    return MergedMarginal(columns=(name,), groups=(tuple(range(domain.size_of(name))),))


def columns_again(domain: Domain, columns: Sequence[str], mu: float) -> GaussianMechanism:
    """The columns once more, at the stated price `mu`."""
    weights = [column_weight(domain.size_of(name)) for name in columns]
    return divided([whole_column(domain, name) for name in columns], weights, total=mu)


def with_more(columns: Mapping[str, Noisy], answers: Sequence[Noisy]) -> dict[str, Noisy]:
    """The noisy counts of both measurements, by inverse variance."""
    both = {}
    for (name, (known, deviation)), (values, sigma) in zip(columns.items(), answers, strict=True):
        mean, variance = combine([(known, deviation**2), (np.asarray(values, np.float64), sigma**2)])
        both[name] = (mean, math.sqrt(variance))
    return both


def one_way_noise(columns: Mapping[str, Noisy], margins: Mapping[str, FloatArray]) -> float:
    """The mean total variation distance of a cleaned column from the truth that noise is expected to make.

    A cell is wrong by the mean absolute noise, or by what it holds if that is less.
    """
    distances = []
    for name, (_, sigma) in columns.items():
        wrong = np.minimum(math.sqrt(2 / math.pi) * sigma, margins[name])
        distances.append(float(wrong.sum()) / (2 * float(margins[name].sum())))
    return float(np.mean(distances))
