"""P09: what is published holds no digest of the data, no exact count, no seed, no real-data metric."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pandas as pd

from dpsynth.generators.mst import MST
from dpsynth.ledger import Ledger
from dpsynth.privacy.budget import Budget
from dpsynth.release import ReleaseFolder, fit_table
from dpsynth.schema.schema import Schema

ROWS, SEED = 397, 918273645


def text_of(folder: Path) -> str:
    parts = []
    for path in folder.iterdir():
        if path.suffix == ".dps":
            with zipfile.ZipFile(path) as archive:
                parts += [archive.read(name).decode("latin-1") for name in archive.namelist()]
        elif path.suffix in {".json", ".md"}:
            parts.append(path.read_text())
    return "\n".join(parts)


def test_neither_digest_nor_count_nor_seed(tmp_path: Path, frame: pd.DataFrame, schema: Schema) -> None:
    data = tmp_path / "people.csv"
    frame[:ROWS].to_csv(data, index=False)
    with Ledger.in_memory() as ledger:
        model = fit_table(
            data,
            schema=schema,
            generator=MST(),
            budget=Budget(epsilon=1.0, delta=1e-6),
            ledger=ledger,
            dataset="d",
            rng=SEED,
        )
        ReleaseFolder(tmp_path / "out").write(model.sample(100, rng=SEED), title="d")
        recorded = json.dumps([entry.body for entry in ledger.entries()])
    for text in (text_of(tmp_path / "out"), recorded):
        for algorithm in ("md5", "sha1", "sha256"):
            assert hashlib.new(algorithm, data.read_bytes()).hexdigest() not in text
        assert str(ROWS) not in json.dumps(
            json.loads((tmp_path / "out" / "guarantee.json").read_text())["labels"]
        )
        assert str(SEED) not in text
        assert "auc" not in text.lower()
