"""Membership inference by somebody who knows which tables of counts the generator measured.

Methods that fit noisy marginals leak through these marginals and nowhere else, so the strongest attack adds
up what each says about a row (Golob et al., MAMA-MIA, 2024; Andrey, Le Bars and Tommasi, TAMIS, 2025). If a
row was in the training table, each count that it falls into is larger by 1 than the population lets expect.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dpsynth.errors import ConfigurationError
from dpsynth.evaluation.attack import Attack
from dpsynth.evaluation.ceilings import Limits
from dpsynth.evaluation.membership import undefined
from dpsynth.evaluation.results import Result
from dpsynth.evaluation.samples import NO_HOLDOUT, Trial
from dpsynth.evaluation.tables import Rows, Tables, generator
from dpsynth.generators.measured import measured_tables
from dpsynth.schema.column import ModelledColumn
from dpsynth.schema.encode import encode_column
from dpsynth.schema.numeric import Datetime, NumericColumn
from dpsynth.session.transcript import Transcript

__all__ = ["clique_attack", "clique_membership", "dependent_pairs"]

_MOST_CLIQUES = 120
_NAME = "membership_cliques", "Attack by measured tables"

Clique = tuple[str, ...]
Numbers = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]


def clique_membership(
    tables: Tables,
    *,
    transcript: Transcript | None = None,
    cliques: Sequence[Clique] | None = None,
    limits: Limits | None = None,
) -> tuple[Result, ...]:
    """Area under the curve, advantage and members found at 1 % false alarms, as in `membership`.

    Args:
        tables: Real and synthetic rows.
        transcript: The noisy tables of the run. They say more than rows that were drawn from the model.
        cliques: As for `clique_attack`.
        limits: What the guarantee certifies.
    """
    attack = clique_attack(tables, transcript=transcript, cliques=cliques)
    if attack is None:
        short = "Too few rows in the holdout, or too few columns, for this attack."
        return undefined(*_NAME, note=NO_HOLDOUT if tables.holdout is None else short)
    source = "the synthetic rows" if transcript is None else "the transcript of the run"
    return attack.results(
        *_NAME,
        limits=limits or Limits(),
        rng=generator(tables, "cliques"),
        note=f"Scores a row by the counts that it falls into, read from {source}.",
        seed=tables.seed,
    )


def clique_attack(
    tables: Tables, *, transcript: Transcript | None = None, cliques: Sequence[Clique] | None = None
) -> Attack | None:
    """Score rows by the likelihood ratio of the counts that they fall into.

    The attacker has a second sample of the population, at least half of the holdout; he is judged on the
    rest and on as many training rows. With n rows in the counts and m in his sample a count of a cell of
    share p is about normal with mean n p and variance s^2 + n p + n^2 p / m, where s is the noise of the
    measurement. A member adds 1 to the mean. So each clique adds (count - n p) / variance to the
    logarithm of the ratio.

    Args:
        tables: Real and synthetic rows.
        transcript: The noisy tables of the run, which are scored directly. If it has no noisy tables (a
            network was trained), the synthetic rows are counted.
        cliques: Which columns are counted together in the synthetic rows. None takes what is found in these
            rows: all pairs, or the 120 most dependent.

    Returns:
        The scores; None without a holdout of at least 4 rows, or without any clique.

    Raises:
        DataError: A clique has an unknown column.
        StorageError: The transcript contradicts its schema.
    """
    trial = Trial.of(tables)
    if trial is None:
        return None
    several = (trial.members, trial.outsiders, trial.reference)
    counted = list(_measured(tables, transcript, several)) if transcript is not None else []
    if not counted:
        counted = list(_counted(tables, cliques, several))
    if not counted:
        return None
    scores = np.sum([table.scores() for table in counted], axis=0)
    return Attack(members=scores[: len(trial.members)], others=scores[len(trial.members) :])


def dependent_pairs(tables: Tables, *, most: int = _MOST_CLIQUES) -> tuple[Clique, ...]:
    """The pairs of columns that depend most on each other in the synthetic rows, by mutual information.

    They tell which tables a method measured, for it keeps what it measured (TAMIS).
    """
    names = tables.columns
    pairs = list(itertools.combinations(names, 2))
    if len(pairs) <= most:
        return tuple(pairs)
    found = {pair: _information(tables, pair) for pair in pairs}
    return tuple(sorted(pairs, key=lambda pair: (-found[pair], pair))[:most])


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Counted:
    """Counts of one clique, and the cells into which rows fall; -1 for rows that are not counted.

    Attributes:
        counts: Known to the attacker.
        variance: Of the noise of each.
        judged: Cells of members and outsiders.
        reference: Cells of the attacker's sample.
    """

    counts: Floats
    variance: float
    judged: Numbers
    reference: Numbers

    def scores(self) -> Floats:
        """What this clique adds for each row."""
        known = self.reference[self.reference >= 0]
        total, size = max(float(self.counts.sum()), 1.0), len(known)
        if not size:
            return np.zeros(len(self.judged))
        seen = np.bincount(known, minlength=self.counts.size)
        # Half a row for cells that the sample lacks: they are rare, and not impossible.
        spread = total * np.maximum(seen, 0.5) / size
        variance = self.variance + spread + spread * total / size
        gains = (self.counts - total * seen / size) / variance
        return np.where(self.judged >= 0, gains[self.judged], 0.0)


def _counted(
    tables: Tables, cliques: Sequence[Clique] | None, several: tuple[Rows, Rows, Rows]
) -> Iterator[_Counted]:
    """The cliques, counted in the synthetic rows."""
    if isinstance(cliques, str):
        raise ConfigurationError("Expected cliques as several tuples of column names.")
    for clique in dependent_pairs(tables) if cliques is None else cliques:
        places = [tables.place(name) for name in clique]
        shape = [tables.sizes[place] for place in places]
        found = [
            np.ravel_multi_index(rows.codes[:, places].T.tolist(), shape)
            for rows in (*several, tables.synthetic)
        ]
        _, numbers = np.unique(np.concatenate(found), return_inverse=True)
        members, outsiders, reference, synthetic = np.split(
            numbers, np.cumsum([len(one) for one in found])[:-1]
        )
        yield _Counted(
            counts=np.bincount(synthetic, minlength=int(numbers.max()) + 1).astype(np.float64),
            variance=0.0,
            judged=np.concatenate([members, outsiders]),
            reference=reference,
        )


def _measured(tables: Tables, transcript: Transcript, several: tuple[Rows, Rows, Rows]) -> Iterator[_Counted]:
    """The noisy tables of a transcript; those of columns that are not compared are left out."""
    schema = transcript.schema
    columns = {column.name: column for column in schema.modelled if column.name in tables.columns}
    codes = {name: [_codes(column, rows) for rows in several] for name, column in columns.items()}
    for table in measured_tables(transcript):
        if not table.columns or not set(table.columns) <= set(columns):
            continue
        cells = []
        for place in range(len(several)):
            own = [codes[name][place] for name in table.columns]
            kept = np.all([one >= 0 for one in own], axis=0)
            buckets = [group[np.maximum(one, 0)] for group, one in zip(table.groups, own, strict=True)]
            cells.append(np.where(kept, np.ravel_multi_index(buckets, table.values.shape), -1))
        yield _Counted(
            counts=table.values.ravel().astype(np.float64),
            variance=table.sigma**2,
            judged=np.concatenate(cells[:2]),
            reference=cells[2],
        )


def _codes(column: ModelledColumn, rows: Rows) -> Numbers:
    """The codes of the schema, as the generator counted them; -1 for rows that it drops."""
    readings = rows.readings[column.name]
    if isinstance(column, NumericColumn):
        values: pd.Series[Any] = pd.Series(readings)
        if isinstance(column, Datetime):
            whole = np.where(np.isfinite(readings), readings, 0).astype("datetime64[s]")
            values = pd.Series(whole).where(np.isfinite(readings))
        return encode_column(column, values).astype(np.int64)
    other, missing = column.other_code, column.missing_code
    if missing is None:
        missing = -1 if other is None else other
    foreign = -1 if column.out_of_domain == "drop" else missing if other is None else other
    known = np.where(np.isfinite(readings), readings, 0).astype(np.int64)
    return np.where(np.isnan(readings), missing, np.where(np.isinf(readings), foreign, known))


def _information(tables: Tables, pair: Clique) -> float:
    """Mutual information of two columns of the synthetic rows, in nats."""
    first, second = (tables.synthetic.codes[:, tables.place(name)] for name in pair)
    shape = tuple(tables.sizes[tables.place(name)] for name in pair)
    joint = np.bincount(first * shape[1] + second, minlength=shape[0] * shape[1]).reshape(shape)
    shares = joint / joint.sum()
    apart = np.outer(shares.sum(axis=1), shares.sum(axis=0))
    present = shares > 0
    return float((shares[present] * np.log(shares[present] / apart[present])).sum())
