"""Private selection through the door: one price, one winner, nothing else."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpsynth.errors import (
    BudgetExceededError,
    ConfigurationError,
    DataError,
    LedgerError,
    PrivacyError,
    UnsupportedEventError,
)
from dpsynth.ledger import Cap, Ledger
from dpsynth.mechanisms.gaussian import GaussianMechanism
from dpsynth.mechanisms.queries import Marginal, Total
from dpsynth.privacy.accountant import price
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import mu_of
from dpsynth.privacy.events import (
    ApproximateEvent,
    ComposedEvent,
    GaussianEvent,
    NonPrivateEvent,
    PoissonGaussianEvent,
    RepeatSelectEvent,
    ZCDPEvent,
)
from dpsynth.privacy.repeats import Repetitions, base_of
from dpsynth.schema.columns import Categorical
from dpsynth.schema.constraints import ImpossibleCombinations
from dpsynth.schema.schema import Schema
from dpsynth.session import Best, Candidates, Guarantee, Plan, PrivateTable, Replay, Session, Step
from dpsynth.testing.insecure import insecure_noise

pytestmark = pytest.mark.filterwarnings("ignore:a remark that depends on noisy answers")

BUDGET = Budget(epsilon=1.0, delta=1e-6)
LAW = Repetitions(mean=4)
RUNS: list[str] = []
"""What ran: only a test may know."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Releases one marginal; its quality is its own."""

    column: str = "colour"
    quality: float = 0.0
    fails: bool = False
    short: bool = False
    adaptive: bool = False

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        if self.adaptive:
            whole = Step(label="whole", event=ZCDPEvent(rho=budget.rho or 0.01))
            return Plan(method="adaptive", steps=(whole,), adaptive=True)
        mu = mu_of(budget) * (1 - 1e-9)
        return Plan(
            method=f"counts of {self.column}", steps=(Step(label="counts", event=GaussianEvent(mu=mu)),)
        )

    def fit(self, measurer: Any, *, rng: Any = None) -> dict[str, Any]:
        RUNS.append(self.column)
        warnings.warn("a remark that depends on noisy answers", UserWarning, stacklevel=1)
        if self.fails:
            raise ValueError("what failed may depend on the data")
        if self.short:
            return {"quality": self.quality}
        mu = mu_of(measurer.budget) * (1 - 1e-9)
        asked = GaussianMechanism(
            queries=(Marginal(columns=(self.column,)),), mus=(mu / 2 if self.adaptive else mu,)
        )
        counts = measurer.measure(asked).values[0]
        return {
            "quality": self.quality,
            "counts": counts.tolist(),
            "draw": np.random.default_rng(rng).random(),
        }


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Rates by the declared quality and a noisy total that it pays for."""

    adaptive: bool = False
    nothing: bool = False
    asked: list[float] = field(default_factory=list)

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        event = GaussianEvent(mu=mu_of(budget) * (1 - 1e-9))
        return Plan(method="judge", steps=(Step(label="total", event=event),), adaptive=self.adaptive)

    def score(self, model: dict[str, Any], measurer: Any) -> float:
        mu = mu_of(measurer.budget) * (1 - 1e-9)
        self.asked.append(
            float(measurer.measure(GaussianMechanism(queries=(Total(),), mus=(mu,))).values[0][0])
        )
        return float("nan") if self.nothing else model["quality"]


def candidates(*generators: Any, **more: Any) -> Candidates[Any]:
    more = {"base": base_of(BUDGET, LAW), "repetitions": LAW, "judge": Judge()} | more
    return Candidates(generators=generators or (Counts(), Counts(column="member", quality=1.0)), **more)


def opened(frame: pd.DataFrame, schema: Schema, ledger: Ledger, **more: Any) -> Session:
    more = {"budget": BUDGET, "dataset": "people"} | more
    return Session.open(PrivateTable.load(frame, schema), ledger=ledger, **more)


@pytest.fixture
def five(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five runs that take the candidates in turn."""
    from dpsynth.session import best

    turns = iter(range(1000))
    RUNS.clear()
    monkeypatch.setattr(best, "drawn_number", lambda event: 5)
    monkeypatch.setattr(best, "drawn_index", lambda weights: next(turns) % len(weights))


@pytest.mark.usefixtures("five")
def test_the_best_run_wins_and_replays(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    session = opened(frame, schema, ledger)
    best = session.select(candidates())
    assert RUNS == ["colour", "member"] * 2 + ["colour"]
    assert (best.place, best.score, best.model["quality"]) == (1, 1.0, 1.0)
    assert best.generator.fit(Replay(session.transcript), rng=best.seed) == best.model
    assert len(session.transcript.measurements) == 1  # the winner's; not the losers', and not the scores
    assert not session.transcript.tainted


@pytest.mark.usefixtures("five")
def test_the_guarantee_holds_the_selection(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    session = opened(frame, schema, ledger)
    session.select(candidates())
    guarantee = session.guarantee()
    (event,) = guarantee.committed.events
    assert isinstance(event, RepeatSelectEvent)
    assert guarantee.events == guarantee.committed.events
    assert guarantee.labels == ("the best of several runs",)
    assert 0.98 < guarantee.epsilon <= 1.0
    assert guarantee.epsilon == price([event], delta=1e-6).epsilon
    assert guarantee.method == "counts of member"
    assert guarantee.configuration["column"] == "member"
    assert guarantee.certifiable
    assert not guarantee.adaptive
    assert Guarantee.from_json(json.loads(json.dumps(guarantee.to_json()))) == guarantee
    assert "privat" in guarantee.in_words()


@pytest.mark.usefixtures("five")
def test_one_draw_is_booked_before_the_first_run_and_none_after(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    original = Counts.fit

    def watched(self: Counts, measurer: Any, *, rng: Any = None) -> Any:
        seen.append([entry.content["kind"] for entry in ledger.entries()])
        return original(self, measurer, rng=rng)

    monkeypatch.setattr(Counts, "fit", watched)
    session = opened(frame, schema, ledger)
    session.select(candidates())
    assert {tuple(kinds[-3:]) for kinds in seen} == {("reserve", "draw", "commit")}
    assert [entry.content["kind"] for entry in ledger.entries()] == seen[0]
    draw = next(entry.content for entry in ledger.entries() if entry.content["kind"] == "draw")
    assert draw["event"] == session.guarantee().events[0].to_json()
    assert session.guarantee().ledger.after.digest == ledger.head().digest


@pytest.mark.usefixtures("five")
def test_nothing_of_the_losers_is_shown(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        best = opened(frame, schema, ledger).select(
            candidates(Counts(fails=True), Counts(short=True), Counts())
        )
    assert heard == []
    assert best.place == 2
    assert capsys.readouterr() == ("", "")
    assert "counts" not in repr(best).replace("'counts': ", "").split("generator=")[1]


@pytest.mark.usefixtures("five")
@pytest.mark.parametrize("wrong", [Counts(fails=True), Counts(short=True), Counts(column="no such column")])
def test_if_every_run_fails_nothing_is_told_and_the_price_stays(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, wrong: Counts
) -> None:
    session = opened(frame, schema, ledger)
    with pytest.raises(PrivacyError, match="No run gave a model") as caught:
        session.select(candidates(wrong))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    (account,) = ledger.statement("people")
    assert account.spent.epsilon > 0.98
    with pytest.raises(PrivacyError, match="has had its run"):
        session.run(Counts())
    with pytest.raises(PrivacyError, match="not finished"):
        session.guarantee()


def test_no_run_at_all_is_told_as_such(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dpsynth.session import best

    monkeypatch.setattr(best, "drawn_number", lambda event: 0)
    law = Repetitions(mean=2, distribution="poisson")
    with pytest.raises(PrivacyError, match="No run gave a model"):
        opened(frame, schema, ledger).select(candidates(repetitions=law, base=base_of(BUDGET, law)))


@pytest.mark.usefixtures("five")
def test_a_crash_in_a_run_leaves_the_price_spent(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(self: Counts, measurer: Any, *, rng: Any = None) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Counts, "fit", killed)
    with pytest.raises(KeyboardInterrupt):
        opened(frame, schema, ledger).select(candidates())
    (account,) = ledger.statement("people")
    assert account.spent.epsilon > 0.98


@pytest.mark.usefixtures("five")
def test_a_score_that_is_no_number_is_the_lowest(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    judge = Judge(nothing=True)
    best = opened(frame, schema, ledger).select(candidates(judge=judge))
    assert (best.place, best.score) == (0, -np.inf)
    assert len(set(judge.asked)) > 1  # each run has its own noise


@pytest.mark.usefixtures("five")
def test_adaptive_candidates_keep_to_their_filter(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger
) -> None:
    best = opened(frame, schema, ledger).select(candidates(Counts(adaptive=True)))
    assert best.plan.adaptive
    assert len(best.measurements) == 1


@pytest.mark.usefixtures("five")
def test_test_noise_taints(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    session = opened(frame, schema, ledger)
    with insecure_noise(5):
        session.select(candidates())
    assert session.transcript.tainted
    assert session.guarantee().taints == ("test noise was drawn",)


def test_real_draws_run_some_of_the_candidates(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    RUNS.clear()
    best = opened(frame, schema, ledger).select(candidates(weights=(1e-12, 1.0)))
    assert isinstance(best, Best)
    assert set(RUNS) == {"member"}


def test_what_costs_too_much_is_refused_before_anything(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger
) -> None:
    with pytest.raises(BudgetExceededError, match="the budget is 1"):
        opened(frame, schema, ledger).select(candidates(base=Budget(rho=0.05, delta=1e-6)))
    with pytest.raises(BudgetExceededError, match="no room"):
        opened(frame, schema, ledger, dataset="capped", cap=Cap(epsilon=0.5, delta=1e-5)).select(candidates())
    assert [entry.content["kind"] for entry in ledger.entries()][1:] == ["account", "account"]


def test_an_account_that_adds_rho_takes_no_selection(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger
) -> None:
    with pytest.raises(LedgerError, match="states none"):
        opened(frame, schema, ledger, rule="zcdp").select(candidates())


def test_a_session_selects_or_runs_once(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    session = opened(frame, schema, ledger)
    session.run(Counts())
    for again in (lambda: session.select(candidates()), lambda: session.run(Counts())):
        with pytest.raises(PrivacyError, match="Open another session"):
            again()


def test_a_schema_with_open_ends_or_constraints_is_refused(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger
) -> None:
    open_ended = Schema(name="p", columns=(Categorical(name="colour"), *schema.columns[1:]))
    with pytest.raises(DataError, match="may hold"):
        opened(frame, open_ended, ledger).select(candidates())
    rule = ImpossibleCombinations(columns=("colour", "member"), combinations=(("red", True),))
    ruled = Schema(name="p", columns=schema.columns, constraints=(rule,))
    with pytest.raises(ConfigurationError, match="with_constraints"):
        opened(frame, ruled, ledger).select(candidates())


def test_impossible_candidates_are_refused() -> None:
    for wrong in ({"share": 0.0}, {"share": 1.0}, {"weights": (1.0,)}, {"weights": (1.0, -1.0)}):
        with pytest.raises(ConfigurationError):
            candidates(**wrong)
    with pytest.raises(ConfigurationError, match="at least one"):
        Candidates(generators=(), judge=Judge(), base=BUDGET)
    with pytest.raises(ConfigurationError, match="fixed"):
        candidates(judge=Judge(adaptive=True)).plans(None)  # type: ignore[arg-type]


def plans_of(*runs: tuple[Any, ...]) -> list[Plan]:
    return [Plan(method="m", steps=tuple(Step(label="s", event=event) for event in run)) for run in runs]


def test_a_selection_costs_what_its_dearest_run_costs() -> None:
    (judging,) = plans_of((GaussianEvent(mu=0.1),))
    plans = plans_of((GaussianEvent(mu=0.3),), (ZCDPEvent(rho=0.1), GaussianEvent(mu=0.2)))
    event = candidates().event(plans, judging)
    (run,) = event.events
    assert isinstance(run, ZCDPEvent)
    assert run.rho == pytest.approx(0.1 + 0.02 + 0.005, rel=1e-14)
    training = PoissonGaussianEvent(sampling_rate=0.1, noise_multiplier=2.0, steps=3)
    event = candidates().event(plans_of((training,), (training,), (GaussianEvent(mu=0.3),)), judging)
    assert event.events == (
        ComposedEvent(events=(training, GaussianEvent(mu=0.1))),
        ComposedEvent(events=(GaussianEvent(mu=0.3), GaussianEvent(mu=0.1))),
    )


@pytest.mark.parametrize("wrong", [NonPrivateEvent(reason="test"), ApproximateEvent(epsilon=0.1, delta=1e-9)])
def test_runs_that_promise_nothing_are_not_priced_as_if_they_did(wrong: Any) -> None:
    (judging,) = plans_of((GaussianEvent(mu=0.1),))
    event = candidates().event(plans_of((GaussianEvent(mu=0.3), wrong)), judging)
    with pytest.raises(UnsupportedEventError):
        price([event], delta=1e-6)


def test_the_parts_of_a_run_stay_within_its_base() -> None:
    for base in (Budget(rho=0.3, delta=1e-6), Budget(epsilon=1.0, delta=1e-6)):
        both = candidates(base=base, share=0.3)
        whole = (
            (both.measured.rho or 0) + (both.judged.rho or 0),
            (both.measured.epsilon or 0) + (both.judged.epsilon or 0),
        )
        assert whole[0] <= (base.rho or 0)
        assert whole[1] <= (base.epsilon or 0)
