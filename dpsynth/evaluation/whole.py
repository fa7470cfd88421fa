"""One call for everything: similar, useful, private, fair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dpsynth._archive import write_atomically
from dpsynth.evaluation.anchors import Anchors
from dpsynth.evaluation.bias import bias
from dpsynth.evaluation.fidelity import fidelity
from dpsynth.evaluation.picture import Picture, picture
from dpsynth.evaluation.privacy import privacy
from dpsynth.evaluation.report.curator import FILE_NAME, curator_report
from dpsynth.evaluation.results import Evaluation, Result
from dpsynth.evaluation.tables import Tables
from dpsynth.evaluation.utility import utility
from dpsynth.generators.measured import measured_tables

if TYPE_CHECKING:
    import pandas as pd

    from dpsynth.schema.schema import Schema
    from dpsynth.session import Guarantee, Transcript

__all__ = ["Report", "evaluate"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Report:
    """An evaluation with its picture: what the page for the data holder shows. Confidential.

    Attributes:
        evaluation: All results.
        picture: Both tables in one projection; None if there is nothing to see.
    """

    evaluation: Evaluation
    picture: Picture | None

    def save(self, folder: str | Path) -> Path:
        """Write the page, and the results as JSON, for the eyes of their owner.

        Returns:
            The page.
        """
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        page = place / FILE_NAME
        pictures = None
        if self.picture is not None:  # first axis of the picture is horizontal
            pictures = {name: np.array(getattr(self.picture, name)).T for name in ("real", "synthetic")}
        curator_report(self.evaluation, page, pictures=pictures)
        results = place / FILE_NAME.replace(".html", ".json")
        text = self.evaluation.to_json().encode()
        write_atomically(results, lambda file: file.write(text), mode=0o600)
        return page

    def with_results(self, more: Sequence[Result]) -> Report:
        """The same with further results, for example published ones."""
        results = (*self.evaluation.results, *more)
        return replace(self, evaluation=replace(self.evaluation, results=results))

    def _repr_html_(self) -> str:
        return self.evaluation._repr_html_()


def evaluate(  # noqa: PLR0913 - the one call that gathers every choice of an evaluation
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema,
    *,
    holdout: pd.DataFrame | None = None,
    target: str | None = None,
    protected: Sequence[str] = (),
    sensitive: Sequence[str] = (),
    guarantee: Guarantee | None = None,
    transcript: Transcript | None = None,
    quick: bool = False,
    seed: int = 0,
    title: str | None = None,
) -> Report:
    """Compare a synthetic table with the real rows that it imitates.

    Args:
        real: Rows that the generator learned from.
        synthetic: What it made.
        schema: Declares the columns.
        holdout: Real rows that it has not seen; attacks and learners are judged on them.
        target: A column that models are to predict.
        protected: Columns whose groups are looked at.
        sensitive: Columns that an attacker would like to infer.
        guarantee: What the release promises: limits on every attack.
        transcript: What the run measured: the attack that knows the model uses it.
        quick: Fewer rows and fewer repeats where that saves most.
        seed: Of everything that is drawn.
        title: Of the table; the schema's name if there is none.

    Returns:
        Results and picture. They are confidential: plain functions of real rows.

    Raises:
        DataError: A table has no rows, or lacks a column.
        MissingExtraError: The extra `eval` is not installed.

    Privacy: none. Whoever may read the real rows may read the result, and nobody else.
    """
    tables = Tables.read(real, synthetic, schema, holdout=holdout, seed=seed)
    for name in (*protected, *sensitive, *([target] if target else [])):
        tables.place(name)  # a wrong name is told before minutes of work
    anchors = Anchors.of(tables)
    epsilon = guarantee.epsilon if guarantee else None
    results = (
        *fidelity(anchors, quick=quick),
        *utility(tables, target=target, epsilon=epsilon, quick=quick),
        *privacy(tables, guarantee=guarantee, transcript=transcript, sensitive=sensitive, quick=quick),
        *bias(tables, target=target, protected=protected, noise=_noise(transcript, protected), quick=quick),
    )
    return Report(
        evaluation=Evaluation(title=title or schema.name, facts=_facts(tables, quick), results=results),
        picture=picture(tables),
    )


def _noise(transcript: Transcript | None, protected: Sequence[str]) -> float | None:
    """The largest noise of the counts of protected columns in the record of the run; None if it has none."""
    if transcript is None:
        return None
    kept = {table.columns[0]: table.sigma for table in measured_tables(transcript) if len(table.columns) == 1}
    return max((kept[name] for name in protected if name in kept), default=None)


def _facts(tables: Tables, quick: bool) -> dict[str, Any]:
    return {
        "real rows": len(tables.real),
        "synthetic rows": len(tables.synthetic),
        "rows that the generator has not seen": len(tables.holdout) if tables.holdout else "none",
        "columns": len(tables.columns),
        "seed": tables.seed,
        "mode": "quick" if quick else "full",
    }
