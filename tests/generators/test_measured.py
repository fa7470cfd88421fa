from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpsynth._archive import read_archive, write_archive
from dpsynth.errors import ConfigurationError, StorageError
from dpsynth.generators import measured
from dpsynth.generators.fitted import FittedModel
from dpsynth.generators.measured import measured_tables, measurements_frame
from dpsynth.generators.registry import get, names
from dpsynth.ledger import Ledger
from dpsynth.mechanisms import GaussianMechanism, LaplaceMechanism, Marginal, MergedMarginal, Total
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.privacy.budget import Budget
from dpsynth.release import fit_table
from dpsynth.schema.columns import Categorical, Integer
from dpsynth.schema.schema import Schema
from dpsynth.session import Replay, Transcript

BUDGET = Budget(epsilon=5.0, delta=1e-6)
SCHEMA = Schema(
    columns=(
        Integer(name="age", minimum=0, maximum=99, cells=10),
        Categorical(name="town", categories=("A", "B", "C"), out_of_domain="other", required=True),
    )
)
AGE_GROUPS = (0, 0, 0, 1, 1, 2, 3, 3, 0, 4, 4)
TOWN_GROUPS = (0, 1, 1, 0)


def fit(frame: pd.DataFrame, schema: Schema, method: str) -> FittedModel:
    with Ledger.in_memory() as ledger:
        return fit_table(
            frame, schema=schema, generator=get(method), budget=BUDGET, ledger=ledger, dataset="people"
        )


@pytest.fixture
def codes() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"age": rng.integers(0, 11, 500), "town": rng.integers(0, 4, 500)}


@pytest.fixture
def transcript(codes: dict[str, np.ndarray]) -> Transcript:
    """Answers that are all but exact."""
    table = EncodedTable(SCHEMA.domain, codes, rows=500)
    merged = MergedMarginal(columns=("town", "age"), groups=(TOWN_GROUPS, AGE_GROUPS))
    mechanisms = (
        GaussianMechanism(queries=(Marginal(columns=("town",)), Total()), mus=(1e6, 1e6)),
        LaplaceMechanism(queries=(merged, Marginal(columns=("age", "town"))), epsilons=(1e6, 1e6)),
    )
    measurements = tuple(mechanism.run(table, SCHEMA.unit) for mechanism in mechanisms)
    return Transcript(schema=SCHEMA, budget=BUDGET, measurements=measurements, tainted=False)


def test_tables_are_read_back_with_their_buckets(
    transcript: Transcript, codes: dict[str, np.ndarray]
) -> None:
    town, total, merged, pair = measured_tables(transcript)
    assert [table.number for table in (town, total, merged, pair)] == [0, 1, 2, 3]
    assert [table.release for table in (town, total, merged, pair)] == [0, 0, 1, 1]
    assert [table.law for table in (town, total, merged, pair)] == ["gaussian"] * 2 + ["laplace"] * 2
    assert total.columns == ()
    assert total.values == 500
    assert merged.groups[0].tolist() == list(TOWN_GROUPS)
    buckets = np.array(TOWN_GROUPS)[codes["town"]] * 5 + np.array(AGE_GROUPS)[codes["age"]]
    np.testing.assert_array_equal(merged.values.ravel(), np.bincount(buckets, minlength=10))
    assert pair.values.shape == (11, 4)
    assert pair.groups[0].tolist() == list(range(11))


def test_cells_are_told_in_words(transcript: Transcript) -> None:
    frame = measurements_frame(transcript)
    assert list(frame.columns) == ["table", "columns", "cell", "count", "standard_deviation"]
    assert len(frame) == 4 + 1 + 10 + 44
    cells = frame.groupby("table")["cell"].apply(list)
    assert cells[0] == ["town: A", "town: B", "town: C", "town: other"]
    assert cells[1] == ["all rows"]
    assert cells[2][:5] == [
        "town: A | other, age: 0 to 29 | 80 to 89",
        "town: A | other, age: 30 to 49",
        "town: A | other, age: 50 to 59",
        "town: A | other, age: 60 to 79",
        "town: A | other, age: 90 to 99 | missing",
    ]
    assert cells[3][-1] == "age: missing, town: other"
    assert set(frame["columns"]) == {"town", "", "town, age", "age, town"}
    assert frame["count"].dtype == np.int64


@pytest.mark.parametrize("method", sorted({*names()} - {"dpgan", "dpvae", "hybrid"}))
def test_every_method_shows_what_it_paid_for(
    frame: pd.DataFrame, schema: Schema, method: str, tmp_path: Path
) -> None:
    fitted = fit(frame, schema, method)
    shown = fitted.measurements()
    asked = sum(value.size for m in fitted.transcript.measurements for value in m.values if m.sigmas[0] > 0)
    assert len(shown) == asked
    noise = shown.groupby("table")["standard_deviation"].apply(lambda each: np.sqrt((each**2).sum()))
    off = shown.groupby("table")["count"].sum() - len(frame)
    assert (off.abs() <= 6 * noise).all()
    fitted.save(tmp_path / "model.dps")
    loaded = FittedModel.load(tmp_path / "model.dps")
    pd.testing.assert_frame_equal(loaded.measurements(), shown)
    assert loaded.transcript.budget == fitted.transcript.budget
    again = get(method).fit(Replay(loaded.transcript))
    header, arrays = again.state()
    assert header == fitted.model.state()[0]
    for name, array in fitted.model.state()[1].items():
        assert array.tobytes() == arrays[name].tobytes()


def test_a_model_without_a_transcript_says_so(frame: pd.DataFrame, schema: Schema, tmp_path: Path) -> None:
    fitted = dataclasses.replace(fit(frame, schema, "mst"), transcript=None)
    fitted.save(tmp_path / "model.dps")
    for model in (fitted, FittedModel.load(tmp_path / "model.dps")):
        assert model.transcript is None
        with pytest.raises(ConfigurationError, match="no transcript"):
            model.measurements()


def test_the_transcript_of_another_schema_is_refused(
    frame: pd.DataFrame, schema: Schema, transcript: Transcript
) -> None:
    with pytest.raises(ConfigurationError, match="schema differs"):
        dataclasses.replace(fit(frame, schema, "independent"), transcript=transcript)


def test_too_many_counts_for_a_frame_are_refused(
    transcript: Transcript, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measured, "MOST_ROWS", 50)
    with pytest.raises(ConfigurationError, match="59 counts"):
        measurements_frame(transcript)


Change = Callable[[dict[str, Any]], object]


def broken_words(path: Path, change: Change) -> None:
    """Rewrite the words of the transcript in a model file; digests fit."""
    with zipfile.ZipFile(path) as archive:
        kind = json.loads(archive.read("manifest.json"))["kind"]
    header, arrays = read_archive(path, kind=kind)
    words = json.loads(arrays["transcript.words"].tobytes())
    change(words)
    text = np.frombuffer(json.dumps(words).encode(), np.uint8)
    write_archive(path, kind=kind, header=header, arrays={**arrays, "transcript.words": text})


def mechanism_of(words: dict[str, Any], place: int) -> dict[str, Any]:
    told: dict[str, Any] = words["measurements"][place]["mechanism"]
    return told


@pytest.mark.parametrize(
    "change",
    [
        lambda words: words.pop("budget"),
        lambda words: words.update(budget={"epsilon": -1}),
        lambda words: words.update(measurements=[1]),
        lambda words: words["measurements"].pop(),
        lambda words: words["measurements"][0].update(sizes=[]),
        lambda words: words["measurements"][0]["sizes"].append(10**6),
        lambda words: words["measurements"][0]["sigmas"].pop(),
        lambda words: words["measurements"][0].update(event={"event": "free"}),
        lambda words: mechanism_of(words, 0)["queries"][0].update(columns=["nothing"]),
        lambda words: mechanism_of(words, 0)["queries"].pop(),
        lambda words: mechanism_of(words, 1)["maps"].pop(),
        lambda words: mechanism_of(words, 1)["maps"][0].pop(),
        lambda words: mechanism_of(words, 1)["groups"].pop(),
        lambda words: mechanism_of(words, 1).pop("groups"),
    ],
)
def test_a_transcript_that_does_not_fit_is_refused(
    frame: pd.DataFrame, schema: Schema, tmp_path: Path, change: Change
) -> None:
    fit(frame, schema, "allpairs").save(tmp_path / "model.dps")
    broken_words(tmp_path / "model.dps", change)
    with pytest.raises(StorageError, match=r"transcript|measured"):
        FittedModel.load(tmp_path / "model.dps")


def test_answers_that_are_no_whole_numbers_are_not_saved(
    frame: pd.DataFrame, schema: Schema, tmp_path: Path
) -> None:
    fitted = fit(frame, schema, "independent")
    (measurement,) = fitted.transcript.measurements
    changed = dataclasses.replace(measurement, values=tuple(v.astype(float) for v in measurement.values))
    transcript = dataclasses.replace(fitted.transcript, measurements=(changed,))
    with pytest.raises(StorageError, match="whole numbers"):
        dataclasses.replace(fitted, transcript=transcript).save(tmp_path / "model.dps")
