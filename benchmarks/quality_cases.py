"""The tables that quality is measured on: where they come from, their schema, and how they are scored."""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dpsynth import Categorical, Integer, Schema, datasets

__all__ = ["CASES", "Case", "Table", "load_score", "scores"]

SCHEMAS = Path(__file__).parent / "schemas"
ADULT_ORDERED = {"age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week"}
NIST_TEN = ["AGEP", "SEX", "MSP", "RAC1P", "HOUSING_TYPE", "OWN_RENT", "EDU", "PINCP_DECILE", "DVET", "DEYE"]
WIDE_COLUMNS, WIDE_ROWS, WIDE_PAIRS = 200, 100_000, 600
SMALL_ROWS, TINY_ROWS, SMALL_COLUMNS = 1_000, 300, 10


@dataclass(frozen=True, kw_only=True)
class Table:
    """A private table with what is public about it.

    Attributes:
        real: The rows that are released.
        schema: What is declared about them.
        test: Rows that classifiers are tested on.
    """

    real: pd.DataFrame
    schema: Schema
    test: pd.DataFrame | None = None


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row of the benchmark.

    Attributes:
        needs: A file in the data folder; "" if the table is generated.
        read: Reads or makes the table.
        delta: Of the guarantee.
        bins: So many cells at most for a numeric column when scored; 0 keeps every value.
        triples: So many three-way tables are scored.
        target: The column that classifiers predict.
        extra: Another number, with its label.
        neighbours: Score some pairs only: random ones, and as `extra` those of neighbours.
    """

    needs: str
    read: Callable[[Path], Table]
    delta: float = 1e-9
    bins: int = 32
    triples: int = 200
    target: str | None = None
    extra: str = ""
    neighbours: bool = False


# ---------------------------------------------------------------- tables


def _coded(sizes: dict[str, int], name: str, ordered: set[str] | None = None) -> Schema:
    """Columns whose values are the codes 0 .. size - 1."""
    return Schema(
        name=name,
        columns=tuple(
            Categorical(
                name=column,
                categories=tuple(range(size)),
                required=True,
                ordered=column in (ordered or set()),
            )
            for column, size in sizes.items()
        ),
    )


def _adult_discrete(data: Path) -> Table:
    frame = pd.read_csv(data / "adult/adult_discrete.csv")
    sizes = json.loads((data / "adult/adult_discrete-domain.json").read_text())
    frame = frame.sample(frac=1, random_state=0).reset_index(drop=True)
    rows = int(0.8 * len(frame))
    return Table(
        real=frame[:rows],
        test=frame[rows:].reset_index(drop=True),
        schema=_coded(sizes, "adult_discrete", ADULT_ORDERED),
    )


def _small(data: Path, rows: int = SMALL_ROWS) -> Table:
    whole = _adult_discrete(data)
    names = list(whole.real.columns)[-SMALL_COLUMNS:]
    real = whole.real.sample(rows, random_state=1)[names].reset_index(drop=True)
    kept = tuple(column for column in whole.schema.columns if column.name in names)
    return Table(real=real, schema=dataclasses.replace(whole.schema, columns=kept, name="small"))


def _adult(data: Path) -> Table:
    return Table(
        real=pd.read_csv(data / "adult/adult_train.csv"),
        test=pd.read_csv(data / "adult/adult_test.csv"),
        schema=Schema.load(datasets.adult_schema_path()),
    )


def _adult_bounds(data: Path) -> Table:
    """Adult when its numeric columns are declared by their bounds alone."""
    table = _adult(data)
    bare = {
        column.name: dataclasses.replace(column, edges=None, cells=None)
        for column in table.schema.columns
        if hasattr(column, "edges")
    }
    return dataclasses.replace(table, schema=table.schema.replace_columns(bare))


def _nist(data: Path) -> Table:
    real = pd.read_csv(data / "nist-acs-excerpts/national2019.csv", low_memory=False, na_values=["N"])
    return Table(real=real, schema=Schema.load(SCHEMAS / "nist_acs.schema.json"))


def _nist_ten(data: Path) -> Table:
    table = _nist(data)
    years = Integer(name="AGEP", minimum=0, maximum=99, cells=100, required=True)
    schema = table.schema.replace_columns({"AGEP": years})
    kept = tuple(column for column in schema.columns if column.name in NIST_TEN)
    return Table(real=table.real[NIST_TEN], schema=dataclasses.replace(schema, columns=kept, name="nist10"))


def _kdd(data: Path) -> Table:
    schema = Schema.load(SCHEMAS / "kdd_census.schema.json")
    real = pd.read_csv(
        data / "census-income-kdd/census-income.data.csv.gz",
        header=None,
        names=schema.names,
        skipinitialspace=True,
        dtype=str,
        na_values=["?"],
        keep_default_na=False,
    )
    return Table(real=real, schema=schema)


def _nltcs(data: Path) -> Table:
    sizes = json.loads((data / "nltcs/nltcs-domain.json").read_text())
    return Table(real=pd.read_csv(data / "nltcs/nltcs.csv"), schema=_coded(sizes, "nltcs"))


def _wide(data: Path) -> Table:  # noqa: ARG001 - generated
    """A chain: each column depends on the one before it, in a way of its own."""
    rng = np.random.default_rng(1)
    sizes = rng.integers(2, 12, WIDE_COLUMNS)
    codes = np.zeros((WIDE_ROWS, WIDE_COLUMNS), np.int64)
    codes[:, 0] = rng.integers(0, sizes[0], WIDE_ROWS)
    for at in range(1, WIDE_COLUMNS):
        given = rng.dirichlet(np.full(sizes[at], 0.7), sizes[at - 1])
        edges = np.cumsum(given, axis=1)[codes[:, at - 1], :-1]
        codes[:, at] = (rng.random(WIDE_ROWS)[:, None] > edges).sum(axis=1)
    names = [f"c{at}" for at in range(WIDE_COLUMNS)]
    known = {name: int(size) for name, size in zip(names, sizes, strict=True)}
    return Table(real=pd.DataFrame(codes, columns=names), schema=_coded(known, "wide"))


CASES: dict[str, Case] = {
    "adult-discrete": Case(
        needs="adult/adult_discrete.csv", read=_adult_discrete, bins=0, target="income>50K"
    ),
    "adult": Case(needs="adult/adult_train.csv", read=_adult, target="income"),
    "adult-bounds": Case(needs="adult/adult_train.csv", read=_adult_bounds, target="income"),
    "nist10": Case(needs="nist-acs-excerpts/national2019.csv", read=_nist_ten, delta=1e-5, bins=0),
    "nist": Case(needs="nist-acs-excerpts/national2019.csv", read=_nist, delta=1e-5),
    "kdd": Case(
        needs="census-income-kdd/census-income.data.csv.gz", read=_kdd, triples=50, extra="categorical tvd2"
    ),
    "wide": Case(needs="", read=_wide, bins=0, extra="neighbours", neighbours=True),
    "small": Case(needs="adult/adult_discrete.csv", read=_small, bins=0),
    "tiny": Case(needs="adult/adult_discrete.csv", read=partial(_small, rows=TINY_ROWS), bins=0),
    "nltcs": Case(needs="nltcs/nltcs.csv", read=_nltcs, bins=0),
}


# ---------------------------------------------------------------- scores


def load_score(path: Path) -> Any:
    """The yardstick: a module with `score`, `encode` and `tvd`."""
    spec = importlib.util.spec_from_file_location("score", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def scores(
    yardstick: Any, case: Case, table: Table, synthetic: pd.DataFrame, *, classifiers: bool = True
) -> dict[str, float]:
    """What the yardstick says of a synthetic table; classifiers take most of the time."""
    if case.neighbours:
        return _chain_scores(yardstick, table.real, synthetic)
    found: dict[str, float] = yardstick.score(
        table.real,
        synthetic,
        table.test if classifiers else None,
        case.target,
        bins=case.bins,
        triples=case.triples,
    )
    if case.extra:
        names = [column.name for column in table.schema.columns if column.kind == "categorical"]
        cut = yardstick.score(table.real[names], synthetic[names], bins=0, triples=1)
        found["extra"] = cut["tvd2"]
    return found


def _chain_scores(yardstick: Any, real: pd.DataFrame, synthetic: pd.DataFrame) -> dict[str, float]:
    coded = [yardstick.encode(real[name], [synthetic[name]], 0) for name in real.columns]
    sizes = [size for _, size in coded]
    left, right = (np.column_stack([codes[i] for codes, _ in coded]) for i in (0, 1))

    def mean(cliques: list[tuple[int, ...]]) -> float:
        return float(np.mean([yardstick.tvd(left, right, sizes, clique) for clique in cliques]))

    pairs = list(itertools.combinations(range(len(sizes)), 2))
    chosen = np.random.default_rng(0).choice(len(pairs), WIDE_PAIRS, replace=False)
    tvd2 = mean([pairs[i] for i in sorted(chosen)])
    return {
        "tvd1": mean([(i,) for i in range(len(sizes))]),
        "tvd2": tvd2,
        "k_marginal": 1000 * (1 - tvd2),
        "extra": mean([(i, i + 1) for i in range(len(sizes) - 1)]),
    }
