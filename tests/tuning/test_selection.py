"""Private selection from the public side: a choice found by looking is in the account of the release."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import dpsynth
from dpsynth.errors import BudgetExceededError, ConfigurationError, StorageError
from dpsynth.generators.independent import Independent
from dpsynth.generators.mst import MST
from dpsynth.ledger import Ledger
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.events import (
    ComposedEvent,
    GaussianEvent,
    PoissonGaussianEvent,
    RepeatSelectEvent,
    ZCDPEvent,
    event_from_json,
)
from dpsynth.privacy.repeats import Repetitions
from dpsynth.release.keys import new_key
from dpsynth.schema.constraints import ImpossibleCombinations
from dpsynth.schema.schema import Schema
from dpsynth.session import Replay
from dpsynth.testing.insecure import insecure_noise
from dpsynth.tuning import PairJudge, select, space

BUDGET = Budget(epsilon=3.0, delta=1e-6)
LAW = Repetitions(mean=3)


def test_the_winner_has_its_guarantee_and_replays(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger
) -> None:
    found = select(
        frame,
        schema=schema,
        candidates=[space("mst"), Independent()],
        budget=BUDGET,
        ledger=ledger,
        dataset="people",
        repetitions=LAW,
        draws=3,
    )
    assert found.candidates == 4
    assert found.alone < found.cost.epsilon <= 3.0
    assert found.cost.accounted
    guarantee = found.fitted.guarantee
    assert guarantee.committed.events[0].distribution == "negative-binomial"  # type: ignore[attr-defined]
    assert guarantee.method == found.generator.name
    assert set(found.values) in (set(), {"one_way_share", "select_share", "noise_weight"})
    assert found.cost.release == guarantee.ledger.reserved.digest
    assert found.fitted.transcript is not None
    again = found.generator.fit(Replay(found.fitted.transcript))
    assert again.total == found.fitted.model.total
    assert len(found.fitted.sample(20).frame) == 20


def test_the_better_method_wins(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    table = frame.sample(4000, replace=True, random_state=0)
    table["member"] = (table["colour"] == "red").to_numpy()  # pairs matter
    with insecure_noise(11):
        found = select(
            table,
            schema=schema,
            candidates=[Independent(), MST()],
            budget=Budget(epsilon=10.0, delta=1e-6),
            ledger=ledger,
            dataset="people",
            repetitions=Repetitions(mean=8, eta=4.0),
        )
    assert found.generator == MST()
    assert 0.8 < found.score < 1.05
    assert found.fitted.guarantee.taints == ("test noise was drawn",)


def test_constraints_are_held(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    rule = ImpossibleCombinations(columns=("colour", "member"), combinations=(("red", True),))
    ruled = Schema(name="people", columns=schema.columns, constraints=(rule,))
    found = select(
        frame,
        schema=ruled,
        candidates=[space("allpairs")],
        budget=BUDGET,
        ledger=ledger,
        dataset="people",
        repetitions=LAW,
        draws=2,
    )
    made = found.fitted.sample(200).frame
    assert not ((made["colour"] == "red") & made["member"].astype(bool)).any()


def test_a_setting_found_by_looking_is_in_the_certificate(
    frame: pd.DataFrame, schema: Schema, tmp_path: Path
) -> None:
    key, book = tmp_path / "key.pem", tmp_path / "ledger.db"
    new_key(key, passphrase=None)
    with Ledger.open(book) as ledger:
        found = select(
            frame,
            schema=schema,
            candidates=[space("mst")],
            budget=BUDGET,
            ledger=ledger,
            dataset="people",
            repetitions=LAW,
            draws=3,
        )
    chosen = "By private selection; its price is the price of this release."
    out = dpsynth.publish(found.fitted, rows=50, key=key, out=tmp_path / "release", chosen=chosen)
    (certificate,) = (path for path in out.iterdir() if "certificate" in path.name or path.suffix == ".dsse")
    envelope = json.loads(certificate.read_text())
    predicate = json.loads(base64.b64decode(envelope["payload"]))["predicate"]
    guarantee = found.fitted.guarantee
    (paid,) = predicate["plan"]["events"]
    assert paid["event"]["type"] == "repeat-select/1"
    assert event_from_json(paid["event"]) == guarantee.committed.events[0]
    assert predicate["events"] == [{"label": "the best of several runs", **paid}]
    assert predicate["claim"]["epsilon"] == guarantee.epsilon
    assert predicate["generator"]["configuration"]["noise_weight"] == found.values["noise_weight"]
    verdict = dpsynth.verify(out, trust=[Path(f"{key}.pub")], ledger=book)
    assert verdict.ok, verdict


@pytest.mark.parametrize("base", [None, Budget(epsilon=0.6, delta=1e-6)])
def test_a_selected_model_is_saved_with_its_own_transcript_and_no_other(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, tmp_path: Path, base: Budget | None
) -> None:
    more = {"schema": schema, "ledger": ledger, "dataset": "people", "budget": BUDGET}
    model = select(frame, candidates=[MST()], base=base, repetitions=LAW, **more).fitted  # type: ignore[arg-type]
    model.save(tmp_path / "model.dps")
    assert dpsynth.load(tmp_path / "model.dps").transcript is not None
    dearer = select(
        frame, candidates=[MST()], repetitions=LAW, **(more | {"budget": Budget(epsilon=6.0, delta=1e-6)})
    ).fitted  # type: ignore[arg-type]
    forged = replace(model, transcript=dearer.transcript)
    forged.save(tmp_path / "forged.dps")
    with pytest.raises(StorageError, match="not the one of its guarantee"):
        dpsynth.load(tmp_path / "forged.dps")


def test_what_cannot_be_selected_is_refused_before_anything(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger
) -> None:
    more = {"schema": schema, "ledger": ledger, "dataset": "people"}
    with pytest.raises(ConfigurationError, match="at least one candidate"):
        select(frame, candidates=[], budget=BUDGET, **more)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="at least one candidate"):
        select(frame, candidates=[MST()], weights=(1.0, 2.0), budget=BUDGET, **more)  # type: ignore[arg-type]
    with pytest.raises(BudgetExceededError):
        select(frame, candidates=[MST()], base=BUDGET, budget=BUDGET, **more)  # type: ignore[arg-type]
    assert len(ledger.entries()) <= 2  # at most the account was opened


def test_a_judge_knows_how_noisy_it_is(frame: pd.DataFrame, schema: Schema) -> None:
    class Exact:
        total = 400.0

        def sample_codes(self, rows: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
            return {
                name: rng.integers(0, size, rows)
                for name, size in zip(schema.domain.columns, schema.domain.sizes, strict=True)
            }

    budget, judge = Budget(rho=0.01, delta=1e-6), PairJudge()
    table = dpsynth.PrivateTable.load(frame, schema)
    scores = []
    for seed in range(40):
        with insecure_noise(seed), Ledger.in_memory() as ledger:
            session = dpsynth.Session.open(
                table, budget=Budget(epsilon=5.0, delta=1e-6), ledger=ledger, dataset="people"
            )

            class Scored:
                def plan(self, schema: Schema, granted: Budget) -> object:
                    return judge.plan(schema, budget)

                def fit(self, measurer: object, *, rng: object = None) -> float:
                    from dpsynth.session.measurer import Door

                    return judge.score(Exact(), Door(schema, budget, measurer.measure))  # type: ignore[attr-defined]

            scores.append(session.run(Scored()))  # type: ignore[arg-type]
    stated = judge.deviation(schema, budget, rows=400.0)
    assert np.std(scores) == pytest.approx(stated, rel=0.35)
    assert 0.3 < np.mean(scores) < 1.0
    assert isinstance(LAW.event((judge.plan(schema, budget).steps[0].event,)), RepeatSelectEvent)


def test_the_events_of_a_winner_are_those_of_one_alternative() -> None:
    from dpsynth.generators.store import _within

    counts = GaussianEvent(mu=0.1)
    step = PoissonGaussianEvent(sampling_rate=0.1, noise_multiplier=2.0, steps=1)
    both = ComposedEvent(events=(counts, step, counts))
    assert _within([counts, step], both)  # the last one is that of the score
    assert not _within([step], both)
    assert _within([counts], ZCDPEvent(rho=0.0051))
    assert not _within([counts], ZCDPEvent(rho=0.0049))
    assert not _within([step], ZCDPEvent(rho=9.0))
    assert not _within([counts], counts)
