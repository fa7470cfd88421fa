"""A fitted point comes back from its file as it was, or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dpsynth._archive import read_archive, write_archive
from dpsynth.errors import StorageError
from dpsynth.generators.registry import get
from dpsynth.ledger import Ledger
from dpsynth.privacy.budget import Budget
from dpsynth.release.pipeline import fit_table
from dpsynth.schema.schema import Schema
from dpsynth.tuning.charged import Cells
from dpsynth.tuning.degraded import Fidelity
from dpsynth.tuning.drafts import Draft, kept


def draft(schema: Schema, frame: pd.DataFrame, ledger: Ledger) -> Draft:
    budget = Budget(epsilon=2.0, delta=1e-6)
    fitted = fit_table(
        frame, schema=schema, generator=get("mst"), budget=budget, ledger=ledger, dataset="people"
    )
    codes = fitted.model.sample_codes(50, np.random.default_rng(0))
    plain = Draft(model=fitted.model, seconds=1.5, fidelity=Fidelity(tables=3, noisier=1))
    return plain.counted(Cells.of(schema, codes, models=1), 50, np.random.default_rng(1))


def test_what_is_kept_is_not_made_again(
    schema: Schema, frame: pd.DataFrame, ledger: Ledger, tmp_path: Path
) -> None:
    made = draft(schema, frame, ledger)
    path = tmp_path / "points" / "one.zip"
    assert kept(path, schema, lambda: made) is made

    def never() -> Draft:
        raise AssertionError("it is made again")

    again = kept(path, schema, never)
    assert (again.seconds, again.fidelity) == (made.seconds, made.fidelity)
    assert len(again.counts) == len(made.counts)
    assert all(np.array_equal(a, b) for a, b in zip(again.counts, made.counts, strict=True))
    (_, arrays), (_, others) = made.model.state(), again.model.state()
    assert all(np.array_equal(arrays[name], others[name]) for name in arrays | others)


def test_a_damaged_point_is_refused(
    schema: Schema, frame: pd.DataFrame, ledger: Ledger, tmp_path: Path
) -> None:
    made, path = draft(schema, frame, ledger), tmp_path / "one.zip"
    kept(path, schema, lambda: made)
    header, arrays = read_archive(path, kind="dpsynth-sweep-point/1")
    write_archive(
        path, kind="dpsynth-sweep-point/1", header={**header, "fidelity": {"odd": 1}}, arrays=arrays
    )
    with pytest.raises(StorageError, match="fitted point in the folder is damaged"):
        kept(path, schema, lambda: made)
