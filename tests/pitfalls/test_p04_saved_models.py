"""P04: raw values inside fitted or saved objects."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dpsynth.generators.base import Generator
from dpsynth.generators.fitted import FittedModel
from dpsynth.generators.independent import Independent
from dpsynth.generators.mst import MST
from dpsynth.ledger import Ledger
from dpsynth.privacy.budget import Budget
from dpsynth.schema.columns import Categorical, Identifier, Integer, Text
from dpsynth.schema.schema import Schema
from dpsynth.session import PrivateTable, Session

PERSON = "Zebedee Quillfeather"
SCHEMA = Schema(
    columns=(
        Identifier(name="id"),
        Categorical(name="town", categories=("A", "B", "C")),
        Integer(name="income", minimum=0, maximum=1_000_000, cells=10),
        Text(name="remark", rule="regenerate", filler="-"),
    )
)


def frame(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    town = rng.choice(np.array(["A", "B", "C", PERSON], dtype=object), rows)
    return pd.DataFrame(
        {"id": [f"{PERSON} {i}" for i in range(rows)], "town": town, "income": 123_457, "remark": PERSON}
    )


def saved(path: Path, generator: Generator, rows: int, *, with_transcript: bool = False) -> Path:
    with Ledger.in_memory() as ledger:
        table = PrivateTable.load(frame(rows), SCHEMA)
        session = Session.open(table, budget=Budget(epsilon=5, delta=1e-6), ledger=ledger, dataset="p04")
        model = session.run(generator)
        transcript = session.transcript if with_transcript else None
        FittedModel(model=model, guarantee=session.guarantee(), transcript=transcript).save(path)
    return path


def content(path: Path) -> tuple[bytes, set[int]]:
    """All bytes of a saved model, unpacked, and every length of an axis in it."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    arrays = [
        np.load(io.BytesIO(data), allow_pickle=False)
        for name, data in members.items()
        if name.endswith(".npy")
    ]
    return b"\n".join(members.values()), {length for array in arrays for length in array.shape}


def holds_only_schema_shapes(lengths: set[int]) -> bool:
    return lengths <= {*SCHEMA.domain.sizes}


@pytest.mark.parametrize("generator", [Independent(), MST()])
@pytest.mark.parametrize("rows", [29, 1_009])
def test_p04_a_saved_model_holds_tables_of_the_schema_and_no_value_of_the_data(
    tmp_path: Path, generator: Generator, rows: int
) -> None:
    data, lengths = content(saved(tmp_path / "model.dps", generator, rows))
    assert holds_only_schema_shapes(lengths)
    assert PERSON.encode() not in data
    assert b"123457" not in data
    assert b"123_457" not in data


def test_p04_a_transcript_holds_as_many_counts_as_the_schema_has_cells(tmp_path: Path) -> None:
    for rows in (29, 1_009):
        path = saved(tmp_path / "model.dps", Independent(), rows, with_transcript=True)
        with zipfile.ZipFile(path) as archive:
            counts = np.load(io.BytesIO(archive.read("transcript.counts.npy")), allow_pickle=False)
        assert counts.shape == (sum(SCHEMA.domain.sizes),)
        assert PERSON.encode() not in content(path)[0]


def test_p04_a_cached_column_would_be_seen(tmp_path: Path) -> None:
    path = saved(tmp_path / "model.dps", Independent(), 29)
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(29))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("cache.npy", buffer.getvalue())
        archive.writestr("log.txt", PERSON)
    data, lengths = content(path)
    assert not holds_only_schema_shapes(lengths)
    assert PERSON.encode() in data
