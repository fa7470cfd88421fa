"""Models along one run of training: they follow from the recorded rounds, and their price is that of a prefix."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from brief import brief

from dpsynth.errors import ConfigurationError, PrivacyError
from dpsynth.generators.deep import Schedule
from dpsynth.generators.fitted import FittedModel
from dpsynth.ledger import Ledger
from dpsynth.mechanisms import DpSgd, Measurement, Mechanism
from dpsynth.privacy.accountant import price
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.events import PoissonGaussianEvent
from dpsynth.schema.schema import Schema
from dpsynth.session import PrivateTable, Replay, Session, Transcript
from dpsynth.tuning.trajectory import Along, trajectory

pytest.importorskip("torch")

EPSILON, DELTA, SEED = 4.0, 1e-6, 5
BUDGET = Budget(epsilon=EPSILON, delta=DELTA)


def stopped(method: str, rounds: int) -> Any:
    """The method, giving its model after so many rounds."""
    generator: Any = brief(method)
    return replace(generator, schedule=replace(generator.schedule, until=rounds))


def recorded(method: str, schema: Schema, frame: pd.DataFrame) -> Transcript:
    with Ledger.in_memory() as ledger:
        table = PrivateTable.load(frame, schema)
        session = Session.open(table, budget=BUDGET, ledger=ledger, dataset="people")
        session.run(brief(method), rng=SEED)
        return session.transcript


def equal(left: Any, right: Any) -> bool:
    (head, arrays), (other, others) = left.state(), right.state()
    same = json.dumps(head, sort_keys=True) == json.dumps(other, sort_keys=True)
    return same and all(np.array_equal(arrays[name], others[name]) for name in arrays | others)


class Losing(Replay):
    """Rounds after the first ones have no answer."""

    def __init__(self, transcript: Transcript, rounds: int) -> None:
        super().__init__(transcript)
        self._rounds = rounds

    def measure(self, mechanism: Mechanism) -> Measurement:
        if not isinstance(mechanism, DpSgd):
            return super().measure(mechanism)
        self._rounds -= 1
        return super().measure(mechanism) if self._rounds >= 0 else mechanism.without_answer()


class Nobody:
    """Answers nothing."""

    def measure(self, mechanism: Mechanism) -> Measurement:
        raise AssertionError(f"{mechanism} was asked")

    select = measure


def test_a_model_on_the_way_is_that_of_a_run_whose_later_rounds_are_lost(
    schema: Schema, frame: pd.DataFrame
) -> None:
    transcript = recorded("dpvae", schema, frame)
    nobody: Any = Nobody()
    models = [
        stopped("dpvae", rounds).fit(Along(transcript, nobody, rounds), rng=SEED) for rounds in (0, 1, 2)
    ]
    assert equal(models[1], brief("dpvae").fit(Losing(transcript, 1), rng=SEED))
    assert equal(models[2], brief("dpvae").fit(Replay(transcript), rng=SEED))
    assert not equal(models[0], models[1])
    assert not equal(models[1], models[2])


def test_a_session_takes_no_run_that_stops_early(schema: Schema, frame: pd.DataFrame, ledger: Ledger) -> None:
    generator = stopped("dpvae", 1)
    assert generator.plan(schema, BUDGET) == brief("dpvae").plan(schema, BUDGET)
    session = Session.open(PrivateTable.load(frame, schema), budget=BUDGET, ledger=ledger, dataset="people")
    with pytest.raises(PrivacyError, match="asked less than it planned"):
        session.run(generator, rng=SEED)


@pytest.mark.parametrize(("method", "again"), [("dpgan", 0), ("hybrid", 1)])
def test_all_points_have_one_reservation_and_prefixes_have_their_own_price(
    method: str, again: int, schema: Schema, frame: pd.DataFrame, ledger: Ledger, tmp_path: Path
) -> None:
    frontier = trajectory(
        frame,
        schema=schema,
        methods=[brief(method)],
        epsilons=EPSILON,
        delta=DELTA,
        ledger=ledger,
        dataset="people",
        folder=tmp_path,
        rng=SEED,
    )
    (account,) = ledger.statement("people")
    assert len(account.runs) == 1
    assert account.spent.epsilon == pytest.approx(frontier.cost.epsilon)
    plan = brief(method).plan(schema, BUDGET)
    draws = [entry for entry in ledger.entries() if entry.content["kind"] == "draw"]
    assert len(draws) == len(plan.steps) + 2 * again + 1  # what is asked after training, for two models more
    epsilons = [point.epsilon for point in frontier.points]
    assert epsilons == sorted(set(epsilons))
    trained = [isinstance(event, PoissonGaussianEvent) for event in plan.events]
    first = trained.index(True)
    after_one = (*plan.events[: first + 1], *plan.events[first + 2 :])
    assert epsilons[1] == price(after_one, delta=DELTA).epsilon
    assert epsilons[2] == price(plan.events, delta=DELTA).epsilon <= EPSILON < frontier.cost.epsilon
    assert all(
        f"Published from this run: epsilon = {frontier.cost.epsilon:.4g}" in p.note for p in frontier.points
    )
    fitted = FittedModel.load(tmp_path / "models" / f"{method}-after-1.dps")
    assert fitted.guarantee.epsilon == frontier.cost.epsilon


def test_a_run_that_is_killed_goes_on_at_no_second_price(
    schema: Schema, frame: pd.DataFrame, tmp_path: Path
) -> None:
    """Killed when the first round is trained and the second is about to be: the first is not trained again."""
    frame.to_parquet(tmp_path / "people.parquet")
    schema.save(tmp_path / "schema.json")
    script = f"""
import os, signal
from brief import brief
from dpsynth.ledger import Ledger
from dpsynth.mechanisms import DpSgd
from dpsynth.schema.schema import Schema
from dpsynth.tuning.trajectory import trajectory
trained, run = [], DpSgd.run
def dies(self, *given, **more):
    if trained:
        os.kill(os.getpid(), signal.SIGKILL)
    trained.append(1)
    return run(self, *given, **more)
DpSgd.run = dies
trajectory("people.parquet", schema=Schema.load("schema.json"), methods=[brief("dpvae")], epsilons={EPSILON},
           delta={DELTA}, ledger=Ledger.open("ledger.db"), dataset="people", folder="sweep", rng={SEED})
"""
    tests = Path(__file__).resolve().parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{tests.parent}{os.pathsep}{tests}"}
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        drawn = [entry for entry in ledger.entries() if entry.content["kind"] == "draw"]
        frontier = trajectory(
            tmp_path / "people.parquet",
            schema=schema,
            methods=[brief("dpvae")],
            epsilons=EPSILON,
            delta=DELTA,
            ledger=ledger,
            dataset="people",
            folder=tmp_path / "sweep",
            rng=SEED,
        )
        (account,) = ledger.statement("people")
        assert len(account.runs) == 1
        assert account.spent.epsilon == pytest.approx(frontier.cost.epsilon)
        again = [entry for entry in ledger.entries() if entry.content["kind"] == "draw"]
        assert again[: len(drawn)] == drawn != []
        kinds = [entry.content["event"]["type"] for entry in again]
        assert kinds.count("poisson-gaussian/1") == 2  # the answer that was lost is not drawn again
        assert ledger.verify().ok


def test_methods_without_rounds_and_rounds_beyond_the_last_are_refused(
    schema: Schema, frame: pd.DataFrame, ledger: Ledger
) -> None:
    options: dict[str, Any] = {
        "schema": schema,
        "epsilons": (1.0, EPSILON),
        "delta": DELTA,
        "ledger": ledger,
        "dataset": "people",
    }
    with pytest.raises(ConfigurationError, match="does not train in rounds"):
        trajectory(frame, methods="independent", **options)
    with pytest.raises(ConfigurationError, match="which has 2, got 3"):
        trajectory(frame, methods=[brief("dpvae")], rounds=(1, 3), **options)
    with pytest.raises(ConfigurationError, match="that of one method"):
        trajectory(frame, methods="dpvae,dpgan", **options)
    with pytest.raises(ConfigurationError, match="until <= rounds"):
        Schedule(rounds=2, until=3)
    assert ledger.statement("people") == ()
