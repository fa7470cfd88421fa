"""A frontier from one charge: what it costs, what it reads, and that it goes on where it was interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dpsynth.errors import BudgetExceededError, ConfigurationError, ReplayError
from dpsynth.generators.allpairs import AllPairs
from dpsynth.generators.fitted import FittedModel
from dpsynth.generators.registry import get
from dpsynth.ledger import Cap, Ledger
from dpsynth.mechanisms import Measurement, Mechanism
from dpsynth.privacy.accountant import price
from dpsynth.schema.columns import Categorical
from dpsynth.schema.schema import Schema
from dpsynth.testing import insecure_noise
from dpsynth.testing.cases import Case, cases
from dpsynth.tuning.degraded import Degraded
from dpsynth.tuning.modes import frontier
from dpsynth.tuning.nested import nested, nested_price
from dpsynth.tuning.result import Frontier

ROOT = Path(__file__).resolve().parents[2]
EPSILONS = (0.5, 2.0, 6.0)
DELTA = 1e-6
METHODS = "independent,mst"


def swept(frame: pd.DataFrame, schema: Schema, ledger: Ledger, **more: object) -> Frontier:
    return nested(
        frame,
        schema=schema,
        methods=more.pop("methods", METHODS),  # type: ignore[arg-type]  # names
        epsilons=EPSILONS,
        delta=DELTA,
        ledger=ledger,
        dataset="people",
        **more,  # type: ignore[arg-type]  # as they are
    )


def test_all_points_have_one_reservation_and_one_price(
    schema: Schema, frame: pd.DataFrame, ledger: Ledger
) -> None:
    heard: list[tuple[int, int]] = []
    found = swept(frame, schema, ledger, replicates=2, progress=lambda *at: heard.append(at))
    (account,) = ledger.statement("people")
    assert len(account.runs) == 1
    expected = nested_price(schema, methods=METHODS, epsilons=EPSILONS, delta=DELTA)
    assert account.spent.epsilon == pytest.approx(expected.epsilon)
    assert found.cost.epsilon == expected.epsilon
    assert found.cost.epsilon > max(EPSILONS)  # two methods, and the scores
    draws = [entry for entry in ledger.entries() if entry.content["kind"] == "draw"]
    edges = len(schema.domain.columns) - 1
    assert (
        len(draws) == 1 + (1 + edges + 1) + 1
    )  # each method once, whatever the number of points; the scores
    assert {point.epsilon for point in found.points} == set(EPSILONS)
    assert heard == [(done, 10) for done in range(1, 11)]
    assert found.mode == "nested"
    assert found.disclosure.kind == "dp"
    assert found.disclosure.epsilon == found.cost.epsilon
    assert found.disclosure.release == found.cost.release
    assert found.cost.release in {entry.digest for entry in ledger.entries()}


def test_no_point_claims_its_smaller_epsilon_for_what_is_published(
    schema: Schema, frame: pd.DataFrame, ledger: Ledger
) -> None:
    found = swept(frame, schema, ledger)
    for point in found.points:
        assert f"Published from this run: epsilon = {found.cost.epsilon:.4g}" in point.note
        assert point.replicates == 0  # they share one run: no rate
    assert any("points were seen together" in note for note in found.notes)
    assert found.choose(0.0).rate == 0.0


def test_points_of_gaussian_methods_say_that_their_law_is_exact(
    schema: Schema, frame: pd.DataFrame, ledger: Ledger
) -> None:
    found = swept(frame, schema, ledger)
    assert all("law is that of a fresh run" in point.note for point in found.of("independent"))
    (smallest, *_) = found.of("mst")
    assert "choices are those of the paid run" in smallest.note


def test_utility_is_near_what_fresh_rows_say(schema: Schema, ledger: Ledger) -> None:
    rng = np.random.default_rng(3)
    rows, columns = 20_000, ("a", "b", "c")
    plain = Schema(columns=tuple(Categorical(name=n, categories=("x", "y", "z")) for n in columns))
    table = pd.DataFrame({n: rng.choice(["x", "y", "z"], rows) for n in columns})
    table["b"] = np.where(rng.random(rows) < 0.8, table["a"], table["b"])
    with insecure_noise(4):
        found = swept(table, plain, ledger, methods="independent,allpairs")
    bands = {point.method: point.utility["pair_accuracy"] for point in found.points}
    counts = pd.crosstab(table["a"], table["b"], normalize=True).to_numpy()
    apart = np.abs(counts - np.outer(counts.sum(axis=1), counts.sum(axis=0))).sum() / 2
    assert bands["independent"].low < 1 - apart / 3 < bands["independent"].high + 0.01
    assert bands["allpairs"].median > 0.98
    assert found.floor["pair_accuracy"] == bands["independent"].median
    assert 0.9 < found.ceiling["pair_accuracy"] < 1


def test_another_look_from_the_folder_costs_nothing(
    schema: Schema, frame: pd.DataFrame, ledger: Ledger, tmp_path: Path
) -> None:
    first = swept(frame, schema, ledger, folder=tmp_path)
    entries = len(ledger.entries())
    again = swept(frame, schema, ledger, folder=tmp_path, metric="pair_accuracy")
    assert len(ledger.entries()) == entries
    assert again.cost == first.cost
    assert [point.utility for point in again.points] == [point.utility for point in first.points]
    assert len(list((tmp_path / "points").iterdir())) == 6


def test_every_point_can_be_published_with_the_guarantee_of_the_whole(
    schema: Schema, frame: pd.DataFrame, ledger: Ledger, tmp_path: Path
) -> None:
    found = swept(frame, schema, ledger, folder=tmp_path)
    fitted = FittedModel.load(tmp_path / "models" / "mst-0.5.dps")
    assert fitted.guarantee.epsilon == found.cost.epsilon
    assert fitted.guarantee.method == "nested sweep"
    assert fitted.guarantee.holds()
    assert price(fitted.guarantee.events, delta=DELTA).epsilon == pytest.approx(found.cost.epsilon)
    assert len(fitted.sample(20).frame) == 20


def test_a_sweep_that_is_killed_goes_on_at_no_second_price(
    schema: Schema, frame: pd.DataFrame, tmp_path: Path
) -> None:
    frame.to_parquet(tmp_path / "people.parquet")
    schema.save(tmp_path / "schema.json")
    script = f"""
import os, signal
from dpsynth.ledger import Ledger
from dpsynth.schema.schema import Schema
from dpsynth.tuning.degraded import Degraded
from dpsynth.tuning.modes import frontier
from dpsynth.tuning.nested import nested
def dies(done, of):
    if done == 3:
        os.kill(os.getpid(), signal.SIGKILL)
nested("people.parquet", schema=Schema.load("schema.json"), methods={METHODS!r}, epsilons={EPSILONS},
       delta={DELTA}, ledger=Ledger.open("ledger.db"), dataset="people", folder="sweep", progress=dies)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "sweep" / "points").iterdir()}
    assert len(before) >= 3
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        found = swept(tmp_path / "people.parquet", schema, ledger, folder=tmp_path / "sweep")  # type: ignore[arg-type]  # a path is a source too
        (account,) = ledger.statement("people")
        assert len(account.runs) == 1
        assert account.spent.epsilon == pytest.approx(found.cost.epsilon)
        assert ledger.verify().ok
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "sweep" / "points").iterdir()}
    assert before.items() <= after.items()
    assert len(after) == 6


def test_an_account_without_room_stops_it_before_the_first_draw(
    schema: Schema, frame: pd.DataFrame, ledger: Ledger
) -> None:
    with pytest.raises(BudgetExceededError):
        swept(frame, schema, ledger, cap=Cap(epsilon=max(EPSILONS), delta=DELTA))
    assert [entry.content["kind"] for entry in ledger.entries()].count("draw") == 0


@pytest.mark.parametrize("method", ["aim", pytest.param("dpvae", marks=pytest.mark.slow)])
def test_methods_that_one_run_does_not_tell_are_refused_before_they_cost(
    method: str, schema: Schema, frame: pd.DataFrame, ledger: Ledger
) -> None:
    pytest.importorskip("torch" if method == "dpvae" else "numpy")
    with pytest.raises(ConfigurationError, match="not count and choose by a fixed plan"):
        swept(frame, schema, ledger, methods=method)
    assert ledger.statement("people") == () or not ledger.statement("people")[0].runs


def test_too_few_columns_are_refused_before_they_cost(frame: pd.DataFrame, ledger: Ledger) -> None:
    narrow = Schema(columns=(Categorical(name="colour", categories=("red", "green", "blue")),))
    with pytest.raises(ConfigurationError, match="needs 3 modelled columns"):
        swept(frame[["colour"]], narrow, ledger)


@pytest.mark.parametrize(
    "case", [one for one in cases() if len(one.schema.domain.columns) > 2], ids=lambda c: c.name
)
def test_every_kind_of_table_can_be_swept(case: Case, ledger: Ledger) -> None:
    found = swept(case.frame, case.schema, ledger, methods={"pairs": get("allpairs")})
    assert found.methods == ("pairs",)
    assert Frontier.from_json(found.to_json()) == found


def test_the_front_door_opens_it(schema: Schema, frame: pd.DataFrame, ledger: Ledger) -> None:
    found = frontier(
        frame,
        schema=schema,
        mode="nested",
        methods="independent",
        epsilons=EPSILONS,
        ledger=ledger,
        dataset="people",
    )
    assert found.mode == "nested"
    assert "one paid run" in found.to_svg()


def test_pairs_that_the_paid_run_screened_out_stay_out(
    schema: Schema, frame: pd.DataFrame, ledger: Ledger
) -> None:
    found = swept(frame, schema, ledger, methods={"few": AllPairs(most_pairs=2)})
    assert len(found.points) == len(EPSILONS)
    assert "choices are those of the paid run" in found.points[0].note


def test_a_point_that_cannot_be_read_is_left_out_and_said(
    schema: Schema, frame: pd.DataFrame, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Degraded.measure

    def refuses(self: Degraded, mechanism: Mechanism) -> Measurement:
        if self.budget.epsilon == EPSILONS[0]:
            raise ReplayError("The paid run does not say.")
        return original(self, mechanism)

    monkeypatch.setattr(Degraded, "measure", refuses)
    found = swept(frame, schema, ledger, methods="independent")
    assert [point.epsilon for point in found.points] == list(EPSILONS[1:])
    assert "independent at epsilon = 0.5 asks what the paid run does not tell." in found.notes
