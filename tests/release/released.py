"""A small certified release, and what it was made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dpsynth import Budget, Ledger, Schema
from dpsynth.generators import FittedModel
from dpsynth.generators.independent import Independent
from dpsynth.release import fit_table, publish
from dpsynth.release.keys import new_key
from dpsynth.session.reading import Source


@dataclass(frozen=True, kw_only=True)
class Released:
    folder: Path
    key: Path
    trust: Path
    ledger: Path
    model: FittedModel


def fitted(source: Source, schema: Schema, ledger: Path, **more: Any) -> FittedModel:
    with Ledger.open(ledger) as opened:
        return fit_table(
            source,
            schema=schema,
            generator=more.pop("generator", Independent()),
            budget=Budget(epsilon=1.0, delta=1e-6),
            ledger=opened,
            dataset="people",
            **more,
        )


def released(frame: pd.DataFrame, schema: Schema, folder: Path, **more: Any) -> Released:
    ledger, key = folder / "people.ledger.db", folder / "officer.key"
    model = fitted(frame, schema, ledger)
    new_key(key, passphrase=None)
    out = publish(model, rows=more.pop("rows", 200), key=key, out=folder / "release", csv=True, **more)
    return Released(folder=out, key=key, trust=Path(f"{key}.pub"), ledger=ledger, model=model)
