"""The noisy tables that a run paid for, read back from its transcript."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from dpsynth.errors import ConfigurationError, DpsynthError, StorageError
from dpsynth.generators.marginals import MOST_ROWS
from dpsynth.mechanisms import Measurement
from dpsynth.schema.column import ModelledColumn
from dpsynth.schema.describe import code_labels
from dpsynth.schema.layout import Domain
from dpsynth.schema.numeric import NumericColumn
from dpsynth.session.transcript import Transcript

__all__ = ["MeasuredTable", "measured_tables", "measurements_frame"]

_LAWS: Mapping[str, Literal["gaussian", "laplace"]] = {
    "gaussian-mechanism/1": "gaussian",
    "laplace-mechanism/1": "laplace",
}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MeasuredTable:
    """Noisy counts of all combinations of some columns' buckets.

    Attributes:
        number: Its place among the tables of the run.
        release: The place in the transcript of the mechanism that answered; its noise is drawn at once.
        columns: Names of the columns; none for the number of rows.
        groups: For each column the bucket of each code.
        values: Noisy counts, one axis for each column.
        sigma: Standard deviation of the noise of each count.
        law: Law of the noise, before it was rounded to whole numbers.
    """

    number: int
    release: int
    columns: tuple[str, ...]
    groups: tuple[np.ndarray[Any, Any], ...]
    values: np.ndarray[Any, Any]
    sigma: float
    law: Literal["gaussian", "laplace"]


def measured_tables(transcript: Transcript) -> tuple[MeasuredTable, ...]:
    """All noisy tables of a run, in the order in which they were asked. Choices are none.

    Raises:
        StorageError: The transcript contradicts its schema or itself.
    """
    tables: list[MeasuredTable] = []
    for release, measurement in enumerate(transcript.measurements):
        law = _LAWS.get(measurement.mechanism.get("type", ""))
        if law is None:
            continue
        try:
            for columns, groups, values, sigma in _answers(measurement, transcript.schema.domain):
                tables.append(
                    MeasuredTable(
                        number=len(tables),
                        release=release,
                        columns=columns,
                        groups=groups,
                        values=values,
                        sigma=sigma,
                        law=law,
                    )
                )
        except (DpsynthError, KeyError, IndexError, TypeError, ValueError) as error:
            raise StorageError("The transcript describes tables that do not fit its schema.") from error
    return tuple(tables)


def measurements_frame(transcript: Transcript) -> pd.DataFrame:
    """One row for each noisy count.

    Raises:
        ConfigurationError: There are too many counts for a frame.
    """
    tables = measured_tables(transcript)
    cells = sum(table.values.size for table in tables)
    if cells > MOST_ROWS:
        raise ConfigurationError(
            f"The run measured {cells} counts, and a frame holds at most {MOST_ROWS}. "
            "Read the arrays of `transcript.measurements`."
        )
    modelled = {column.name: column for column in transcript.schema.modelled}
    sizes = [table.values.size for table in tables]
    texts = [text for table in tables for text in _cell_texts(table, modelled)]
    counts = [table.values.ravel() for table in tables]
    return pd.DataFrame(
        {
            "table": np.repeat(np.array([table.number for table in tables], np.int64), sizes),
            "columns": np.repeat(np.array([", ".join(t.columns) for t in tables], object), sizes),
            "cell": pd.Series(texts, dtype="str"),
            "count": np.concatenate([np.zeros(0, np.int64), *counts]),
            "standard_deviation": np.repeat(np.array([table.sigma for table in tables], np.float64), sizes),
        }
    ).astype({"columns": "str"})


_Answer = tuple[tuple[str, ...], "tuple[np.ndarray[Any, Any], ...]", "np.ndarray[Any, Any]", float]


def _answers(measurement: Measurement, domain: Domain) -> Iterator[_Answer]:
    """Columns, buckets, counts and deviation of each query of one mechanism."""
    told = measurement.mechanism
    maps = [np.array(each, np.int64) for each in told.get("maps", [])]
    used = told.get("groups", [[]] * len(told["queries"]))
    for query, numbers, (values, sigma) in zip(told["queries"], used, measurement, strict=True):
        columns = tuple(query.get("columns", ()))
        groups = tuple(maps[number] for number in numbers)
        if query["type"] != "merged-marginal/1":
            groups = tuple(np.arange(size) for size in domain.shape(columns))
        if [len(group) for group in groups] != list(domain.shape(columns)):
            raise StorageError("The buckets of a measured table do not fit its columns.")
        yield columns, groups, values.reshape([int(group.max()) + 1 for group in groups]), float(sigma)


def _cell_texts(table: MeasuredTable, modelled: Mapping[str, ModelledColumn]) -> list[str]:
    if not table.columns:
        return ["all rows"]
    named = [
        [f"{name}: {label}" for label in _bucket_labels(modelled[name], group)]
        for name, group in zip(table.columns, table.groups, strict=True)
    ]
    return [", ".join(cell) for cell in itertools.product(*named)]


def _bucket_labels(column: ModelledColumn, group: np.ndarray[Any, Any]) -> list[str]:
    """What each bucket of a column holds: neighbouring cells of a scale as one range."""
    labels = code_labels(column)
    scale = column.cell_count if isinstance(column, NumericColumn) else 0
    members = [np.flatnonzero(group == bucket).tolist() for bucket in range(int(group.max()) + 1)]
    return [" | ".join(_runs(codes, labels, scale)) for codes in members]


def _runs(codes: Sequence[int], labels: Sequence[str], scale: int) -> Iterator[str]:
    runs = itertools.groupby(enumerate(codes), key=lambda item: (item[1] - item[0], item[1] < scale))
    for (_, ranged), items in runs:
        run = [code for _, code in items]
        if ranged and len(run) > 1:
            yield f"{labels[run[0]].split(' to ')[0]} to {labels[run[-1]].split(' to ')[-1]}"
        else:
            yield from (labels[code] for code in run)
