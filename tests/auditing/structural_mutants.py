"""Broken twins of the library, one for each known error of private generators, and the check that finds it.

Each mutant says what it stands for: `MUTANTS` is also the source of a table in the documentation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from auditing import broken_generators as generators
from auditing import broken_library as library

from dpsynth.generators.base import Generator
from dpsynth.generators.independent import Independent
from dpsynth.generators.mst import MST
from dpsynth.privacy.budget import Budget

__all__ = ["BUDGET", "MUTANTS", "ROW", "Mutant", "rows"]

BUDGET = Budget(epsilon=8.0, delta=1e-6)
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


MUTANTS = (
    Mutant(
        name="no clipping",
        pitfall="P30",
        broken="gradients of rows are added at their full length",
        check="clipping",
        install=library.unclipped,
        generator=generators.Training,
    ),
    Mutant(
        name="clip bound halved",
        pitfall="P14",
        broken="noise is that of half the clip norm, as if two neighbours shared the change",
        check="noise",
        install=library.clip_bound_halved,
        generator=generators.Training,
    ),
    Mutant(
        name="gradients that are no numbers",
        pitfall="P30",
        broken="a row whose gradient is not finite is not left out",
        check="clipping",
        install=library.numbers_pass,
        generator=generators.Training,
    ),
    Mutant(
        name="shuffled batches",
        pitfall="P27",
        broken="batches are cut from a permutation, and priced as Poisson samples",
        check="batches",
        install=library.shuffled,
        generator=generators.Training,
    ),
    Mutant(
        name="empty batches skipped",
        pitfall="P28",
        broken="an empty batch makes no noisy step",
        check="noise",
        install=library.empty_batches_skipped,
        generator=generators.Training,
    ),
    Mutant(
        name="early stop",
        pitfall="P34",
        broken="the number of steps follows from the rows",
        check="draws",
        install=library.stopping_early,
        generator=generators.Training,
    ),
    Mutant(
        name="divided by the real batch",
        pitfall="P35",
        broken="noised sums are divided by the number of rows in the batch",
        check="noise",
        install=library.divided_by_the_batch,
        generator=generators.Training,
    ),
    Mutant(
        name="batch size of the data",
        pitfall="P35",
        broken="a parameter of training is computed from the number of rows",
        check="questions",
        generator=generators.DataSizedBatch,
    ),
    Mutant(
        name="relation forgotten",
        pitfall="P14",
        broken="replacing a unit is given the sensitivity of adding or removing one",
        check="sensitivity",
        install=library.relation_forgotten,
        ground=REPLACED,
    ),
    Mutant(
        name="score too insensitive",
        pitfall="P42",
        broken="the sensitivity of the score of a pair leaves out the grid that scores are on",
        check="selection",
        install=library.score_grid_forgotten,
        generator=MST,
    ),
    Mutant(
        name="priced as monotone",
        pitfall="P40",
        broken="the exponential mechanism weighs a score that moves both ways like a monotone one",
        check="selection",
        install=library.priced_as_monotone,
        generator=MST,
    ),
    Mutant(
        name="scores pruned by data",
        pitfall="P15",
        broken="candidates with a code that no row has cannot be chosen",
        check="selection",
        install=library.pruned_scores,
        generator=MST,
    ),
    Mutant(
        name="candidates pruned by data",
        pitfall="P15",
        broken="which pairs are candidates follows from the rows",
        check="questions",
        generator=generators.Pruning,
    ),
    Mutant(
        name="noise divided by n",
        pitfall="P13",
        broken="the scale of the noise is divided by the number of rows",
        check="noise",
        install=library.divided_by_rows,
    ),
    Mutant(
        name="observed cells only",
        pitfall="P05",
        broken="cells that no row has stay zero",
        check="noise",
        install=library.observed_cells_only,
    ),
    Mutant(
        name="one noise for all cells",
        pitfall="P29",
        broken="one draw is added to every cell of a table",
        check="draws",
        install=library.one_noise_for_all,
    ),
    Mutant(
        name="noise from a seed",
        pitfall="P22",
        broken="noise comes from a generator with a seed",
        check="draws",
        install=library.noise_from_a_seed,
    ),
    Mutant(
        name="bound k not in sigma",
        pitfall="P41",
        broken="noise is that of units with one row",
        check="noise",
        install=library.rows_of_a_unit_forgotten,
        ground=SEVERAL,
    ),
    Mutant(
        name="contribution bound ignored",
        pitfall="P41",
        broken="all rows of a unit are counted",
        check="sensitivity",
        install=library.unbounded,
        ground=SEVERAL,
    ),
    Mutant(
        name="cheap event",
        pitfall="P20",
        broken="several queries are priced like the dearest of them",
        check="bill",
        install=library.cheap_event,
    ),
    Mutant(
        name="two draws for one event",
        pitfall="P29",
        broken="a mechanism is drawn twice and the mean handed out, for one entry in the ledger",
        check="draws",
        install=library.better_of_two,
    ),
    Mutant(
        name="entered afterwards",
        pitfall="P12",
        broken="the ledger learns of a draw when its answer exists: after a crash it was free",
        check="order",
        install=library.entered_afterwards,
    ),
    Mutant(
        name="never entered",
        pitfall="P12",
        broken="draws are not in the ledger",
        check="bill",
        install=library.never_entered,
    ),
    Mutant(
        name="exact number of rows",
        pitfall="P01",
        broken="the default size of a sample is the private number of rows",
        check="rows",
        generator=generators.ExactRows,
    ),
    Mutant(
        name="unpaid preprocessing",
        pitfall="P10",
        broken="a mean is computed from the rows beside the measurer",
        check="model",
        generator=generators.Preprocessing,
    ),
    Mutant(
        name="domain from data",
        pitfall="P02",
        broken="the last cells of a table end where the rows end",
        check="domain",
        install=library.domain_of_the_rows,
    ),
    Mutant(
        name="codes by rank",
        pitfall="P39",
        broken="the code of a number is its rank among all rows",
        check="sensitivity",
        install=library.codes_by_rank,
    ),
    Mutant(
        name="error with a value",
        pitfall="P06",
        broken="an error quotes what could not be read",
        check="messages",
        install=library.quoting,
    ),
    Mutant(
        name="printed number of rows",
        pitfall="P06",
        broken="a fit prints how many rows there are",
        check="messages",
        generator=generators.Speaking,
    ),
    Mutant(
        name="label with the number of rows",
        pitfall="P09",
        broken="the guarantee tells the number of rows in a label",
        check="artefacts",
        install=library.labelled_with_rows,
    ),
    Mutant(
        name="bounds from data",
        pitfall="P03",
        broken="discovered bounds are the smallest and the largest value",
        check="domain",
        install=library.bounds_of_the_rows,
        generator=None,
    ),
    Mutant(
        name="vocabulary for free",
        pitfall="P18",
        broken="every label that occurs is released",
        check="partition",
        install=library.all_labels_released,
        generator=None,
    ),
    Mutant(
        name="bound k not in the vocabulary",
        pitfall="P41",
        broken="noise and threshold of a list of categories are those of units with one row",
        check="partition",
        install=library.labels_of_one_row_units,
        generator=None,
        ground=SEVERAL,
    ),
)


def rows() -> list[str]:
    """The rows of the table in docs/explanation/auditing.md."""
    return [f"| {one.name} | {one.pitfall} | {one.broken} | `{one.check}` |" for one in MUTANTS]
