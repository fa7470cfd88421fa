from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import dpsynth
from dpsynth.errors import BudgetExceededError, PrivacyError, StorageError
from dpsynth.evaluation.results import CONFIDENTIAL
from dpsynth.generators.registry import get
from dpsynth.ledger import Cap, Ledger
from dpsynth.release import fit_table, publish, verify
from dpsynth.release.keys import new_key
from dpsynth.schema.schema import Schema
from dpsynth.testing import insecure_noise
from dpsynth.tuning import Frontier, accounted, confidential, unaccounted

_GRID: dict[str, Any] = {"methods": "independent,mst", "epsilons": [1.0, 4.0], "delta": 1e-6}


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "people.ledger.db") as opened:
        yield opened


def swept(frame: pd.DataFrame, schema: Schema, ledger: Ledger, folder: Path, **more: Any) -> Frontier:
    return accounted(frame, schema, ledger=ledger, dataset="people", models=folder, **{**_GRID, **more})


def spent(ledger: Ledger) -> float:
    (account,) = ledger.statement("people")
    return account.spent.epsilon or 0.0


def test_every_run_and_every_score_is_charged(
    frame: pd.DataFrame, schema: Schema, book: Ledger, tmp_path: Path
) -> None:
    found = swept(frame, schema, book, tmp_path / "models", score_epsilon=0.5)
    basic = 2 * (1.0 + 4.0) + 4 * 0.5
    assert spent(book) == pytest.approx(basic, rel=1e-6)
    assert 4.0 < found.cost.epsilon < basic
    assert found.cost.delta == pytest.approx(4 * (1e-6 + 1e-10))
    assert found.cost.accounted
    assert found.disclosure.kind == "dp"
    assert found.disclosure.epsilon == found.cost.epsilon
    assert len(found.cost.release.split(" + ")) == 8
    assert [point.method for point in found.points] == ["independent"] * 2 + ["mst"] * 2


def test_a_second_look_costs_nothing(
    frame: pd.DataFrame, schema: Schema, book: Ledger, tmp_path: Path
) -> None:
    first = swept(frame, schema, book, tmp_path / "models")
    head = book.head()
    assert swept(frame, schema, book, tmp_path / "models") == first
    assert book.head() == head


def test_an_interrupted_sweep_pays_for_what_is_left(
    frame: pd.DataFrame, schema: Schema, book: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(confidential, "published_scores", dies)
        with pytest.raises(KeyboardInterrupt):
            swept(frame, schema, book, tmp_path / "models", score_epsilon=0.5)
    assert spent(book) == pytest.approx(1.0, rel=1e-6)  # one model is there, without its score
    swept(frame, schema, book, tmp_path / "models", score_epsilon=0.5)
    assert spent(book) == pytest.approx(12.0, rel=1e-6)


def test_a_sweep_that_the_account_cannot_pay_is_refused_before_it_begins(
    frame: pd.DataFrame, schema: Schema, book: Ledger, tmp_path: Path
) -> None:
    with pytest.raises(BudgetExceededError):
        swept(frame, schema, book, tmp_path / "models", cap=Cap(epsilon=9.0, delta=1e-4))
    assert spent(book) == 0


def test_another_account_or_setting_is_paid_for_itself(
    frame: pd.DataFrame, schema: Schema, book: Ledger, tmp_path: Path
) -> None:
    brief = {"methods": "independent", "epsilons": [1.0], "score_epsilon": 0.5}
    swept(frame, schema, book, tmp_path / "models", **brief)
    swept(frame, schema, book, tmp_path / "models", **{**brief, "delta": 1e-7})
    assert spent(book) == pytest.approx(3.0, rel=1e-6)
    with Ledger.in_memory() as other:
        swept(frame, schema, other, tmp_path / "models", **brief)
        assert spent(other) == pytest.approx(1.5, rel=1e-6)


def test_a_damaged_score_is_named(frame: pd.DataFrame, schema: Schema, book: Ledger, tmp_path: Path) -> None:
    brief = {"methods": "independent", "epsilons": [1.0]}
    swept(frame, schema, book, tmp_path / "models", **brief)
    (path,) = (tmp_path / "models").glob("*.json")
    path.write_text("{")
    with pytest.raises(StorageError, match="damaged"):
        swept(frame, schema, book, tmp_path / "models", **brief)


@pytest.mark.slow
def test_what_was_found_by_looking_is_in_the_account_of_the_certificate(
    frame: pd.DataFrame, schema: Schema, book: Ledger, tmp_path: Path
) -> None:
    found = swept(frame, schema, book, tmp_path / "models", score_epsilon=2.0)
    chosen = found.choose(0.3)
    looked = spent(book)
    budget = dpsynth.Budget(epsilon=chosen.epsilon, delta=1e-6)
    model = fit_table(
        frame, schema=schema, generator=get(chosen.method), budget=budget, ledger=book, dataset="people"
    )
    key = tmp_path / "officer.key"
    new_key(key, passphrase=None)
    folder = publish(model, rows=50, key=key, out=tmp_path / "release")
    assert spent(book) == pytest.approx(looked + chosen.epsilon, rel=1e-6)
    report = verify(folder, trust=(Path(f"{key}.pub"),), ledger=tmp_path / "people.ledger.db")
    assert report.ok, report.to_text()
    digests = {entry.digest: entry.seq for entry in book.entries()}
    before = model.guarantee.ledger.before.sequence
    assert all(digests[one] <= before for one in found.cost.release.split(" + "))
    # One of the models that were paid for may be released itself, at no further price.
    (path,) = (tmp_path / "models").glob(f"{chosen.method}-{chosen.epsilon:g}-0-*.dps")
    publish(path, rows=50, key=key, out=tmp_path / "second")


def test_what_is_not_accounted_cannot_be_released(
    frame: pd.DataFrame, schema: Schema, tmp_path: Path
) -> None:
    found = unaccounted(
        frame, schema, replicates=1, models=tmp_path / "models", cache=tmp_path / "cache", **_GRID
    )
    assert found.disclosure == CONFIDENTIAL
    assert not found.cost.accounted
    assert str(found.cost).startswith("NOT ACCOUNTED")
    assert "NOT ACCOUNTED" in found.to_svg()
    kept = sorted((tmp_path / "models").glob("*.dps"))
    assert len(kept) == 4
    new_key(tmp_path / "officer.key", passphrase=None)
    for path in kept:
        with pytest.raises(PrivacyError, match="not accounted"):
            publish(path, rows=10, key=tmp_path / "officer.key", out=tmp_path / "release")
    assert not (tmp_path / "release").exists()


def test_test_noise_makes_a_paid_sweep_confidential(
    frame: pd.DataFrame, schema: Schema, book: Ledger, tmp_path: Path
) -> None:
    with insecure_noise(4):
        found = swept(frame, schema, book, tmp_path / "models", methods="independent", epsilons=[1.0])
    assert found.disclosure == CONFIDENTIAL
    assert json.loads(found.to_json())["disclosure"]["kind"] == "confidential"


def test_adaptive_methods_are_paid_as_well(
    frame: pd.DataFrame, schema: Schema, book: Ledger, tmp_path: Path
) -> None:
    found = swept(frame, schema, book, tmp_path / "models", methods="aim", epsilons=[1.0])
    assert found.points[0].replicates == 1
    assert found.cost.epsilon == pytest.approx(1.1, rel=0.1)
