from __future__ import annotations

from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import dpsynth
from dpsynth.errors import BudgetExceededError, ConfigurationError, StorageError
from dpsynth.generators import get
from dpsynth.ledger import Ledger
from dpsynth.release.folder import ReleaseFolder
from dpsynth.schema.schema import Schema


def test_one_call(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    table = dpsynth.synthesize(frame, schema=schema, epsilon=1.0, delta=1e-6, ledger=ledger, rows=70, rng=1)
    assert len(table.frame) == 70
    assert list(table.frame.columns) == list(frame.columns)
    assert table.guarantee.dataset == "people"
    assert table.guarantee.epsilon <= 1.0
    assert table.frame["member"].dtype == frame["member"].dtype
    html = table._repr_html_()
    assert html.index("differentially") < html.index("<table")


def test_a_configured_method_and_a_cap(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    asked = {"schema": schema, "epsilon": 1.0, "delta": 1e-6, "ledger": ledger, "dataset": "people"}
    chosen = get("mst", select_share=0.3)
    table = dpsynth.synthesize(frame, method=chosen, cap=dpsynth.Cap(epsilon=1.5, delta=1e-5), **asked)
    assert table.guarantee.configuration["select_share"] == 0.3
    with pytest.raises(BudgetExceededError):
        dpsynth.synthesize(frame, method=chosen, **asked)
    with pytest.raises(ConfigurationError, match="leave `target` out"):
        dpsynth.synthesize(frame, method=chosen, target="member", **asked)


def test_pandas_polars_arrow_and_files_come_in(frame: pd.DataFrame, schema: Schema, tmp_path: Path) -> None:
    frame.to_parquet(tmp_path / "people.parquet")
    frame.to_csv(tmp_path / "people.csv", index=False)
    arrow = pa.Table.from_pandas(frame)
    for source in (
        frame,
        pl.from_arrow(arrow),
        arrow,
        tmp_path / "people.parquet",
        str(tmp_path / "people.csv"),
    ):
        with Ledger.in_memory() as ledger:
            table = dpsynth.synthesize(
                source, schema=schema, delta=1e-6, ledger=ledger, rows=10, method="independent"
            )
        assert table.frame["colour"].dropna().isin(["red", "green", "blue"]).all()
        assert table.to_polars().height == table.to_arrow().num_rows == 10


def test_the_ledger_is_kept_by_default(
    frame: pd.DataFrame, schema: Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    schema.save("s.json")
    for _ in range(2):
        dpsynth.synthesize(frame, schema="s.json", delta=1e-6, method="independent", rows=5)
    with Ledger.open("dpsynth.ledger.db", create=False) as ledger:
        (account,) = ledger.statement("people")
    assert 1.99 < account.spent.epsilon <= 2.0


def test_a_path_of_a_ledger_and_a_bad_row_count(frame: pd.DataFrame, schema: Schema, tmp_path: Path) -> None:
    dpsynth.synthesize(
        frame, schema=schema, delta=1e-6, method="independent", ledger=tmp_path / "l.db", dataset="d"
    )
    with pytest.raises(ConfigurationError, match="rows"):
        dpsynth.synthesize(frame, schema=schema, rows=-1, ledger=tmp_path / "l.db")
    with Ledger.open(tmp_path / "l.db") as ledger:
        assert [account.dataset for account in ledger.statement()] == ["d"]


def test_saved_models_draw_the_same_rows(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, tmp_path: Path
) -> None:
    table = dpsynth.synthesize(frame, schema=schema, delta=1e-6, ledger=ledger, rows=30, rng=5)
    table.model.save(tmp_path / "m.dps")
    again = dpsynth.load(tmp_path / "m.dps")
    assert again.guarantee == table.guarantee
    pd.testing.assert_frame_equal(again.sample(30, rng=2).frame, table.model.sample(30, rng=2).frame)


def test_a_release_folder_appears_whole_or_not_at_all(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = dpsynth.synthesize(frame, schema=schema, delta=1e-6, ledger=ledger, rows=30, method="independent")
    folder = ReleaseFolder(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with monkeypatch.context() as patch:
        patch.setattr(
            Path, "write_text", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left"))
        )
        with pytest.raises(StorageError, match="No space left"):
            folder.write(table, title="people")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out").mkdir()  # an empty folder may stand there
    ReleaseFolder(tmp_path / "out").write(table, title="people")
    page = (tmp_path / "out" / "README.md").read_text()
    assert table.guarantee.in_words() in page
    assert "gaussian(mu = " in page
    with pytest.raises(StorageError, match="not an empty folder"):
        ReleaseFolder(tmp_path / "out")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        ReleaseFolder(tmp_path / "file" / "out")


def test_a_checkpoint_continues_and_takes_no_discovery(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint"

    def table(**more: object) -> dpsynth.SyntheticTable:
        words = {"delta": 1e-6, "ledger": ledger, "method": "mst", "rows": 20, "checkpoint": path, **more}
        return dpsynth.synthesize(frame, schema=schema, **words)  # type: ignore[arg-type]

    with pytest.raises(ConfigurationError, match="discovery"):
        table(discover=0.2)
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "commit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            table()
    made = table()
    assert [entry.content["kind"] for entry in ledger.entries()].count("reserve") == 1
    assert table().guarantee == made.guarantee  # finished: again at no price
    assert len(ledger.statement()[0].runs) == 1
