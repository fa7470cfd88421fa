"""Search of settings: free on rows that are not private, charged on those that are."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

import dpsynth
from dpsynth.errors import ConfigurationError, MissingExtraError
from dpsynth.ledger import Ledger
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.repeats import Repetitions
from dpsynth.schema.schema import Schema
from dpsynth.tuning import OneOf, Range, Space, space, tune
from dpsynth.tuning import search as searching

BUDGET = Budget(epsilon=2.0, delta=1e-6)


@pytest.fixture
def without_optuna(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str, *, extra: str) -> ModuleType:
        raise MissingExtraError(f"{module} {extra}")

    monkeypatch.setattr(searching, "require", missing)


class Asked:
    """A trial of the stand-in for optuna: takes the middle of every law."""

    def __init__(self, number: int) -> None:
        self.number, self.value, self.user_attrs = number, None, {}
        self.state = SimpleNamespace(is_finished=lambda: self.done)
        self.done = False

    def suggest_categorical(self, name: str, values: list[Any]) -> Any:
        return values[self.number % len(values)]

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        return math.sqrt(low * high) if log else (low + high) / 2

    def suggest_int(self, name: str, low: int, high: int) -> int:
        return high

    def set_user_attr(self, name: str, value: Any) -> None:
        self.user_attrs[name] = json.loads(json.dumps(value))


class Study:
    """Keeps its trials by the name of its storage."""

    kept: ClassVar[dict[Any, list[Asked]]] = {}

    def __init__(self, storage: Any) -> None:
        self.trials = self.kept.setdefault(storage, [])

    def ask(self) -> Asked:
        self.trials.append(Asked(len(self.trials)))
        return self.trials[-1]

    def tell(self, asked: Asked, value: float | None = None, *, state: Any = None) -> None:
        asked.value, asked.done = value, True


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def create_study(*, storage: Any, sampler: Any, **more: Any) -> Study:
        assert more["direction"] == "maximize"
        assert sampler is not None
        return Study(storage)

    Study.kept = {}
    made = SimpleNamespace(
        create_study=create_study,
        samplers=SimpleNamespace(TPESampler=lambda seed: ("tpe", seed)),
        logging=SimpleNamespace(set_verbosity=lambda level: None, WARNING=1),
        trial=SimpleNamespace(TrialState=SimpleNamespace(FAIL="fail")),
    )
    monkeypatch.setattr(searching, "require", lambda module, *, extra: made)


@pytest.mark.usefixtures("without_optuna")
def test_public_rows_are_searched_for_free(frame: pd.DataFrame, schema: Schema, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    found = tune(
        frame,
        schema=schema,
        methods="independent, mst",
        budget=BUDGET,
        trials=6,
        replicates=2,
        cache=tmp_path,
        progress=lambda done, whole: told.append((done, whole)),
    )
    assert found.cost.epsilon == 0
    assert told == [(k, 6) for k in range(1, 7)]
    assert len(found.history) == 6
    assert {trial.method for trial in found.history} == {"independent", "mst"}
    assert found.score == max(trial.score for trial in found.history)
    assert found.generator == space(found.method).generator(found.values)
    assert "optuna" in found.notes[0]
    assert json.loads(json.dumps(found.to_json()))["method"] == found.method
    again = tune(
        frame,
        schema=schema,
        methods="independent, mst",
        budget=BUDGET,
        trials=6,
        replicates=2,
        cache=tmp_path,
    )
    assert again == found  # every run came from the cache: noise has no seed


@pytest.mark.usefixtures("without_optuna")
def test_a_released_table_is_searched_for_free(frame: pd.DataFrame, schema: Schema, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger:
        table = dpsynth.synthesize(
            frame,
            schema=schema,
            method="independent",
            ledger=ledger,
            dataset="people",
            epsilon=1.0,
            delta=1e-6,
        )
        before = len(ledger.entries())
        found = tune(table, schema=schema, methods=["independent"], budget=BUDGET, trials=1)
        assert len(ledger.entries()) == before
    assert found.method == "independent"
    assert found.values == {}


@pytest.mark.usefixtures("without_optuna")
def test_settings_that_a_method_refuses_are_poor_ones(frame: pd.DataFrame, schema: Schema) -> None:
    # Shares may not add up to one: each is fine alone, and the first draw of the space too.
    shares = {"one_way_share": OneOf(values=(0.3, 0.9)), "select_share": OneOf(values=(0.3, 0.05))}
    wild = Space(method="mst", parameters=shares)
    with_failures = tune(frame, schema=schema, methods=[wild], budget=BUDGET, trials=12)
    notes = [trial.note for trial in with_failures.history if math.isnan(trial.score)]
    assert notes
    assert all("one_way_share + select_share" in note for note in notes)
    assert math.isfinite(with_failures.score)
    assert None in [trial["score"] for trial in with_failures.to_json()["history"]]
    hopeless = Schema(name="p", columns=schema.columns)
    with pytest.raises(ConfigurationError, match="No trial could run"):
        tune(
            frame,
            schema=hopeless,
            methods=[space("mst", memory_limit=1)],
            budget=BUDGET,
            trials=2,
        )


@pytest.mark.usefixtures("stand_in")
def test_optuna_is_asked_and_told_and_goes_on(frame: pd.DataFrame, schema: Schema) -> None:
    laws = {"degree": Range(low=1, high=2, whole=True), "one_way_share": Range(low=0.2, high=0.4)}
    spaces = [space("mst"), Space(method="privbayes", parameters=laws), space("independent")]
    more: dict[str, Any] = {"schema": schema, "methods": spaces, "budget": BUDGET, "storage": "here"}
    found = tune(frame, trials=3, **more)
    assert [trial.method for trial in found.history] == ["mst", "privbayes", "independent"]
    assert found.history[1].values == {"degree": 2, "one_way_share": pytest.approx(0.3)}
    assert found.history[0].values["noise_weight"] == pytest.approx(2.0)
    assert "optuna" not in found.notes[0]
    more_of_it = tune(frame, trials=5, **more)
    assert more_of_it.history[:3] == found.history
    assert len(more_of_it.history) == 5
    assert len(Study.kept["here"]) == 5


@pytest.mark.usefixtures("stand_in")
def test_optuna_is_told_of_failures(frame: pd.DataFrame, schema: Schema) -> None:
    shares = {"one_way_share": OneOf(values=(0.3, 0.9)), "select_share": OneOf(values=(0.05, 0.3))}
    more: dict[str, Any] = {"schema": schema, "budget": BUDGET, "storage": "there"}
    found = tune(frame, methods=[Space(method="mst", parameters=shares)], trials=2, **more)
    assert [one.value is None for one in Study.kept["there"]] == [False, True]
    again = tune(frame, methods=[Space(method="mst", parameters=shares)], trials=2, **more)
    assert np.isnan([trial.score for trial in again.history]).tolist() == [False, True]
    assert again.values == found.values


def test_the_real_optuna_searches(frame: pd.DataFrame, schema: Schema) -> None:
    pytest.importorskip("optuna")
    found = tune(frame, schema=schema, methods="independent,mst", budget=BUDGET, trials=4)
    assert len(found.history) == 4
    assert math.isfinite(found.score)


def test_private_rows_are_searched_at_a_price(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    found = tune(
        frame,
        schema=schema,
        methods=["mst", "independent"],
        budget=BUDGET,
        mode="select",
        repetitions=Repetitions(mean=2),
        ledger=ledger,
        dataset="people",
    )
    assert found.mode == "select"
    assert found.history == ()
    assert found.fitted is not None
    assert found.cost.epsilon == found.fitted.guarantee.epsilon
    (account,) = ledger.statement("people")
    assert account.spent.epsilon == pytest.approx(found.cost.epsilon)
    assert "do not publish" in found.notes[0]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"methods": []}, "at least one method"),
        ({"mode": "guess"}, "mode"),
        ({"metric": "beauty"}, "metric"),
        ({"trials": 0}, "trials"),
        ({"replicates": 0}, "replicates"),
        ({"budget": Budget(rho=0.1, delta=1e-6)}, "epsilon and delta"),
        ({"mode": "select"}, "name the ledger"),
    ],
)
def test_impossible_searches_are_refused(
    frame: pd.DataFrame, schema: Schema, more: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        tune(frame, **({"schema": schema, "methods": "mst", "budget": BUDGET} | more))


@pytest.mark.parametrize("more", [{"sampler": 1}, {"storage": "s"}, {"cache": "c"}, {"target": "age"}])
def test_private_selection_shows_nothing_on_the_way(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, more: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError, match="nothing but the winner"):
        tune(
            frame,
            schema=schema,
            methods="mst",
            budget=BUDGET,
            mode="select",
            ledger=ledger,
            dataset="people",
            **more,
        )
    assert len(ledger.entries()) == 1


@pytest.mark.usefixtures("without_optuna")
def test_a_sampler_needs_optuna(frame: pd.DataFrame, schema: Schema) -> None:
    with pytest.raises(MissingExtraError):
        tune(frame, schema=schema, methods="mst", budget=BUDGET, storage="sqlite:///x.db")
