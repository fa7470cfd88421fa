from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyarrow import ipc, parquet

from dpsynth._archive import write_archive
from dpsynth.errors import ConfigurationError, StorageError
from dpsynth.generators.fitted import FittedModel
from dpsynth.generators.mst import MST
from dpsynth.generators.table import METADATA_KEY
from dpsynth.ledger import Ledger
from dpsynth.privacy.budget import Budget
from dpsynth.schema.columns import Categorical, Integer
from dpsynth.schema.schema import Schema
from dpsynth.session import Guarantee, PrivateTable, Session


def fit(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> FittedModel:
    table = PrivateTable.load(frame, schema)
    session = Session.open(table, budget=Budget(epsilon=5, delta=1e-6), ledger=ledger, dataset="people")
    model = session.run(MST())
    return FittedModel(model=model, guarantee=session.guarantee(), transcript=session.transcript)


@pytest.fixture
def fitted(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> FittedModel:
    return fit(frame, schema, ledger)


@pytest.fixture
def other_schema() -> Schema:
    return Schema(
        columns=(
            Categorical(name="town", categories=("A", "B"), out_of_domain="other", other_label="elsewhere"),
            Integer(name="age", minimum=0, maximum=9, required=True),
        ),
        missing_values=("?",),
    )


@pytest.fixture
def other(other_schema: Schema, ledger: Ledger) -> FittedModel:
    rng = np.random.default_rng(0)
    towns = rng.choice(np.array(["A", "B", "C", "?"], dtype=object), 2_000)
    return fit(pd.DataFrame({"town": towns, "age": rng.integers(0, 10, 2_000)}), other_schema, ledger)


def test_rows_default_to_the_private_estimate(fitted: FittedModel) -> None:
    assert len(fitted.sample(rng=0).frame) == round(fitted.model.total)
    assert len(fitted.sample(7, rng=0).frame) == 7
    assert fitted.sample(0).frame.empty


@pytest.mark.parametrize("rows", [-1, 1.5, True, "7"])
def test_impossible_row_numbers_are_refused(fitted: FittedModel, rows: Any) -> None:
    with pytest.raises(ConfigurationError, match="rows"):
        fitted.sample(rows)


@pytest.mark.parametrize("value", ["red", None, float("nan")])
def test_given_fixes_a_category_or_its_absence(fitted: FittedModel, value: object) -> None:
    colours = fitted.sample(30, given={"colour": value}, rng=0).frame["colour"]
    assert (colours == "red").all() if value == "red" else colours.isna().all()


@pytest.mark.parametrize("value", [35, "35", 35.0, np.int64(35)])
def test_given_fixes_the_cell_of_a_number(fitted: FittedModel, value: object) -> None:
    ages = fitted.sample(200, given={"age": value}, rng=0).frame["age"]
    assert ages.between(30, 39).all()
    assert ages.nunique() > 1


def test_given_conditions_the_other_columns(fitted: FittedModel) -> None:
    # In the data "red" is under 40 and every other colour is 30 or older.
    red, green = (fitted.sample(500, given={"colour": c}, rng=0).frame["age"] for c in ("red", "green"))
    assert red.mean() < 30
    assert green.mean() > 50


@pytest.mark.parametrize(
    "given", [{"colour": "mauve"}, {"age": 1_000}, {"age": "old"}, {"joined": "1999-01-01"}]
)
def test_values_outside_the_domain_are_refused_whatever_the_column_does_with_them(
    fitted: FittedModel, given: dict[str, object]
) -> None:
    with pytest.raises(ConfigurationError, match="outside the declared domain"):
        fitted.sample(5, given=given)


def test_given_may_be_a_choice_among_values(fitted: FittedModel) -> None:
    drawn = fitted.sample(400, given={"colour": ["red", None], "age": [35, 5, 36]}, rng=0).frame
    assert set(drawn["colour"].dropna()) == {"red"}
    assert drawn["colour"].isna().any()
    assert set((drawn["age"] // 10).unique()) == {0, 3}
    with pytest.raises(ConfigurationError, match="'colour' cannot hold 'mauve'"):
        fitted.sample(5, given={"colour": ["red", "mauve"]})


def test_error_bars_stand_around_the_truth(fitted: FittedModel, frame: pd.DataFrame) -> None:
    bars = fitted.error_bars({"colour": ["red", "green"]}, level=0.999999)
    assert bars.basis == "measured"
    assert bars.low <= frame["colour"].isin(["red", "green"]).sum() <= bars.high
    assert bars.estimate == pytest.approx(bars.share * fitted.model.total)
    bars = fitted.error_bars({"colour": "red", "age": (20, 55), "height": (None, 1.5)}, level=0.999999)
    assert bars.basis == "bounded"
    assert bars.low <= bars.high <= fitted.model.total + 200
    found = (frame["colour"] == "red") & frame["age"].between(20, 55) & (frame["height"] <= 1.5)
    assert bars.low <= found.sum() <= bars.high


def test_given_must_name_a_modelled_column(fitted: FittedModel) -> None:
    with pytest.raises(ConfigurationError, match="color"):
        fitted.sample(5, given={"color": "red"})


def test_given_other_and_missing(other: FittedModel) -> None:
    assert set(other.sample(20, given={"town": "elsewhere"}).frame["town"]) == {"elsewhere"}
    assert other.sample(20, given={"town": "?"}).frame["town"].isna().all()
    for given in ({"town": "C"}, {"age": None}, {"age": "?"}):
        with pytest.raises(ConfigurationError, match="cannot hold"):
            other.sample(5, given=given)


def test_csv_spells_missing_values_as_the_schema_does(other: FittedModel, tmp_path: Path) -> None:
    other.sample(20, given={"town": None}).to_csv(tmp_path / "t.csv")
    assert set(pd.read_csv(tmp_path / "t.csv", keep_default_na=False)["town"]) == {"?"}


def test_a_sampled_table_fits_its_own_schema(fitted: FittedModel, schema: Schema, tmp_path: Path) -> None:
    table = fitted.sample(100, rng=0)
    table.to_csv(tmp_path / "t.csv")
    table.to_parquet(tmp_path / "t.parquet")
    PrivateTable.load(tmp_path / "t.csv", schema)
    PrivateTable.load(tmp_path / "t.parquet", schema)
    assert list(table.frame.columns) == list(schema.names)


def test_the_guarantee_travels_in_parquet_and_arrow(fitted: FittedModel, tmp_path: Path) -> None:
    table = fitted.sample(20, rng=0)
    table.to_parquet(tmp_path / "t.parquet")
    table.to_arrow_file(tmp_path / "t.arrow")
    with ipc.open_file(tmp_path / "t.arrow") as reader:
        arrow = reader.read_all()
    for metadata in (parquet.read_schema(tmp_path / "t.parquet").metadata, arrow.schema.metadata):
        assert Guarantee.from_json(json.loads(metadata[METADATA_KEY])) == table.guarantee
    read = pd.read_parquet(tmp_path / "t.parquet")
    # Parquet has no whole-second time stamps: their resolution becomes finer.
    pd.testing.assert_frame_equal(read.astype({"joined": "datetime64[s]"}), table.frame)
    assert arrow.num_rows == 20


def test_other_frames(fitted: FittedModel) -> None:
    table = fitted.sample(20, rng=0)
    assert table.to_polars().shape == table.frame.shape
    swapped = table.replace_frame(table.frame.head(3))
    assert len(swapped.frame) == 3
    assert swapped.guarantee is table.guarantee


def test_the_guarantee_stands_above_the_rows(fitted: FittedModel) -> None:
    table = fitted.sample(20, rng=0)
    page, text = table._repr_html_(), repr(table)
    assert page.index("differentially private") < page.index("<table")
    assert text.index("differentially private") < text.index("colour")
    assert "10 of 20" in page


def test_everything_on_the_page_is_escaped(fitted: FittedModel) -> None:
    rows = pd.DataFrame({"<b>name": ["<script>alert(1)</script>"]})
    page = fitted.sample(1).replace_frame(rows)._repr_html_()
    assert "<script>" not in page
    assert "<b>name" not in page


def test_a_model_saves_as_safetensors(fitted: FittedModel, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    fitted.save(path)
    again = FittedModel.load(path)
    assert again.guarantee == fitted.guarantee
    assert again.sample(20, rng=1).frame.equals(fitted.sample(20, rng=1).frame)


def test_a_saved_model_comes_back(fitted: FittedModel, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model.dps")
    loaded = FittedModel.load(tmp_path / "model.dps")
    pd.testing.assert_frame_equal(loaded.sample(50, rng=3).frame, fitted.sample(50, rng=3).frame)
    assert loaded.guarantee == fitted.guarantee
    assert loaded.schema == fitted.schema
    pd.testing.assert_frame_equal(loaded.measurements(), fitted.measurements())
    assert [path.name for path in tmp_path.iterdir()] == ["model.dps"]


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.pop("model"),
        lambda header: header.update(model="unheard-of"),
        lambda header: header.update(schema={}),
        lambda header: header.update(schema=[]),
        lambda header: header.pop("guarantee"),
        lambda header: header["guarantee"].update(epsilon=1e-3),
        lambda header: header["state"].update(order=[]),
        lambda header: header.update(state=None),
    ],
)
def test_a_header_that_does_not_fit_is_refused(fitted: FittedModel, tmp_path: Path, change: Change) -> None:
    fitted.save(tmp_path / "good.dps")
    with zipfile.ZipFile(tmp_path / "good.dps") as archive:
        header = json.loads(archive.read("manifest.json"))["header"]
    change(header)
    write_archive(tmp_path / "bad.dps", kind="dpsynth-model/2", header=header, arrays=fitted.model.state()[1])
    with pytest.raises(StorageError):
        FittedModel.load(tmp_path / "bad.dps")


def test_another_version_is_refused(fitted: FittedModel, tmp_path: Path) -> None:
    write_archive(tmp_path / "m.dps", kind="dpsynth-model/1", header={}, arrays={})
    with pytest.raises(StorageError, match="dpsynth-model/1"):
        FittedModel.load(tmp_path / "m.dps")


@pytest.mark.parametrize("keep", [0, 10, 200, -30])
def test_a_truncated_file_is_refused(fitted: FittedModel, tmp_path: Path, keep: int) -> None:
    fitted.save(tmp_path / "m.dps")
    whole = (tmp_path / "m.dps").read_bytes()
    (tmp_path / "m.dps").write_bytes(whole[:keep])
    with pytest.raises(StorageError):
        FittedModel.load(tmp_path / "m.dps")


def rewrite(
    source: Path, target: Path, change: Callable[[str, bytes], tuple[str, bytes]], extra: dict[str, bytes]
) -> None:
    with zipfile.ZipFile(source) as archive:
        members = [change(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in [*members, *extra.items()]:
            archive.writestr(name, data)


def flipped(name: str, data: bytes) -> tuple[str, bytes]:
    return (name, data[:-1] + bytes([data[-1] ^ 1])) if name.endswith(".npy") else (name, data)


def inflated(name: str, data: bytes) -> tuple[str, bytes]:
    return (name, data + bytes(50_000_000)) if name.endswith(".npy") else (name, data)


def pickled(name: str, data: bytes) -> tuple[str, bytes]:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{}], dtype=object), allow_pickle=True)
    return (name, buffer.getvalue()) if name == "0.npy" else (name, data)


@pytest.mark.parametrize(
    ("change", "extra"),
    [
        (flipped, {}),
        (inflated, {}),
        (pickled, {}),
        (lambda name, data: (name, data), {"../../escape.txt": b"x"}),
        (lambda name, data: (name.replace("0.npy", "/0.npy"), data), {}),
    ],
    ids=["changed byte", "zip bomb", "object array", "path upwards", "absolute path"],
)
def test_a_tampered_file_is_refused(
    fitted: FittedModel, tmp_path: Path, change: Any, extra: dict[str, bytes]
) -> None:
    (tmp_path / "in").mkdir()
    fitted.save(tmp_path / "in" / "good.dps")
    rewrite(tmp_path / "in" / "good.dps", tmp_path / "in" / "bad.dps", change, extra)
    with pytest.raises(StorageError):
        FittedModel.load(tmp_path / "in" / "bad.dps")
    assert not (tmp_path / "escape.txt").exists()


def test_an_object_array_with_a_matching_digest_is_still_refused(fitted: FittedModel, tmp_path: Path) -> None:
    import hashlib

    fitted.save(tmp_path / "good.dps")
    _, data = pickled("0.npy", b"")
    entry = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    def change(name: str, old: bytes) -> tuple[str, bytes]:
        if name != "manifest.json":
            return pickled(name, old)
        manifest = json.loads(old)
        manifest["members"]["0.npy"] = entry
        return name, json.dumps(manifest).encode()

    rewrite(tmp_path / "good.dps", tmp_path / "bad.dps", change, {})
    with pytest.raises(StorageError):
        FittedModel.load(tmp_path / "bad.dps")


def test_saving_where_nothing_can_be_written_leaves_nothing(fitted: FittedModel, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="folder"):
        fitted.save(tmp_path / "missing" / "m.dps")
    assert list(tmp_path.iterdir()) == []
