from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import pytest

from dpsynth.errors import (
    BudgetExceededError,
    ConfigurationError,
    DataError,
    MechanismError,
    PrivacyError,
    UnsupportedEventError,
)
from dpsynth.ledger import Cap, Ledger
from dpsynth.mechanisms.gaussian import GaussianMechanism
from dpsynth.mechanisms.laplace import LaplaceMechanism
from dpsynth.mechanisms.queries import Marginal
from dpsynth.privacy.accountant import price
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import calibrate
from dpsynth.privacy.events import GaussianEvent, LaplaceEvent, ZCDPEvent
from dpsynth.privacy.risk import risk
from dpsynth.privacy.unit import Unit
from dpsynth.schema.schema import Schema
from dpsynth.session import Guarantee, Plan, PrivateTable, Progress, Replay, Session, Step
from dpsynth.session._spending import Spending
from dpsynth.testing.insecure import insecure_noise

BUDGET = Budget(epsilon=1.0, delta=1e-6)


@dataclass(frozen=True, kw_only=True)
class OneWays:
    """The smallest generator: the noisy one-way marginals are the model."""

    asked: int = 0  # how many measurements `fit` makes beyond its plan

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        mu = calibrate(lambda s: [GaussianEvent(mu=s)] * len(schema.modelled), budget)
        steps = tuple(
            Step(label=f"marginal of {c.name}", event=GaussianEvent(mu=mu)) for c in schema.modelled
        )
        return Plan(method="one-ways", steps=steps)

    def fit(self, measurer: Any, *, rng: Any = None) -> list[list[int]]:
        steps = self.plan(measurer.schema, measurer.budget).steps
        names = [c.name for c in measurer.schema.modelled] + ["colour"] * self.asked
        names = names[: len(names) + min(self.asked, 0)]
        return [
            measurer.measure(GaussianMechanism(queries=(Marginal(columns=(n,)),), mus=(steps[0].event.mu,)))
            .values[0]
            .tolist()
            for n in names
        ]


def open_session(frame: pd.DataFrame, schema: Schema, ledger: Ledger, **more: Any) -> Session:
    more = {"budget": BUDGET, "dataset": "people"} | more
    return Session.open(PrivateTable.load(frame, schema), ledger=ledger, **more)


def test_a_run_reserves_draws_and_commits(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    session = open_session(frame, schema, ledger)
    model = session.run(OneWays())
    assert len(model) == len(schema.modelled)
    kinds = [entry.content["kind"] for entry in ledger.entries()]
    assert kinds[-1] == "commit"
    assert kinds.count("draw") == len(schema.modelled)
    assert kinds.index("reserve") < kinds.index("draw")
    (account,) = ledger.statement("people")
    assert 0.99 < account.spent.epsilon <= 1.0
    assert ledger.verify().ok


def test_the_guarantee_covers_what_was_drawn(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    session = open_session(frame, schema, ledger)
    session.run(OneWays())
    guarantee = session.guarantee()
    assert guarantee.epsilon <= 1.0
    assert guarantee.epsilon == price(guarantee.events, delta=1e-6).epsilon
    assert guarantee.certifiable
    head, entries = ledger.head(), ledger.entries()
    assert (guarantee.ledger.after.sequence, guarantee.ledger.after.digest) == (head.seq, head.digest)
    assert guarantee.ledger.before.digest == entries[guarantee.ledger.before.sequence].digest
    reserved = entries[guarantee.ledger.reserved.sequence].content
    assert reserved["kind"] == "reserve"
    assert reserved["plan"] == guarantee.plan_digest
    assert guarantee.ledger.ledger == ledger.identity
    assert "marginal of age" in guarantee.labels


def test_replay_holds_no_data_and_gives_the_same_model(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger
) -> None:
    session = open_session(frame, schema, ledger)
    model = session.run(OneWays())
    assert OneWays().fit(Replay(session.transcript)) == model


def test_every_step_is_reported(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    seen: list[Progress] = []
    open_session(frame, schema, ledger).run(OneWays(), progress=seen.append)
    assert [p.done for p in seen] == [1, 2, 3, 4, 5]
    assert {p.steps for p in seen} == {5}


def test_a_fit_that_leaves_its_plan_gets_nothing(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    session = open_session(frame, schema, ledger)
    with pytest.raises(BudgetExceededError, match="its plan does not hold"):
        session.run(OneWays(asked=1))
    with pytest.raises(PrivacyError, match="not finished"):
        session.guarantee()
    with pytest.raises(PrivacyError, match="not finished"):
        _ = session.transcript
    (account,) = ledger.statement("people")
    assert account.spent.epsilon > 0.99  # what was reserved stays spent


def test_a_fit_that_stops_early_is_refused(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    with pytest.raises(PrivacyError, match="asked less"):
        open_session(frame, schema, ledger).run(OneWays(asked=-1))


def test_a_session_runs_once(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    session = open_session(frame, schema, ledger)
    session.run(OneWays())
    with pytest.raises(PrivacyError, match="had its run"):
        session.run(OneWays())
    with pytest.raises(PrivacyError, match="comes first"):
        session.discover()


def test_a_plan_beyond_its_budget_is_refused_before_anything_is_reserved(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger
) -> None:
    class Greedy(OneWays):
        def plan(self, schema: Schema, budget: Budget) -> Plan:
            return Plan(method="greedy", steps=(Step(label="all", event=GaussianEvent(mu=3.0)),))

    before = ledger.head()
    session = open_session(frame, schema, ledger)
    opened = ledger.head()
    with pytest.raises(BudgetExceededError, match="plan costs epsilon"):
        session.run(Greedy())
    assert ledger.head() == opened != before


def test_a_full_account_refuses_before_the_first_draw(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger
) -> None:
    open_session(frame, schema, ledger, cap=Cap(epsilon=1.5, delta=1e-5)).run(OneWays())
    session = open_session(frame, schema, ledger)
    with pytest.raises(BudgetExceededError):
        session.run(OneWays())
    assert sum(entry.content["kind"] == "draw" for entry in ledger.entries()) == len(schema.modelled)


def test_a_rho_budget_is_priced_in_zcdp(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    session = open_session(frame, schema, ledger, budget=Budget(rho=0.05, delta=1e-6), rule="zcdp")
    session.run(OneWays())
    guarantee = session.guarantee()
    assert sum(e.mu**2 / 2 for e in guarantee.events) <= 0.05 * (1 + 1e-9)  # type: ignore[attr-defined]


def test_delta_zero_takes_pure_methods_only(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    class Pure(OneWays):
        def plan(self, schema: Schema, budget: Budget) -> Plan:
            event = LaplaceMechanism(queries=(Marginal(columns=("age",)),), epsilons=(0.5,)).event()
            return Plan(method="pure", steps=(Step(label="age", event=event),))

        def fit(self, measurer: Any, *, rng: Any = None) -> Any:
            return measurer.measure(
                LaplaceMechanism(queries=(Marginal(columns=("age",)),), epsilons=(0.5,))
            ).values

    session = open_session(frame, schema, ledger, budget=Budget(epsilon=1.0))
    session.run(Pure())
    assert session.guarantee().epsilon == pytest.approx(0.5)
    assert session.guarantee().delta == 0
    with pytest.raises(ConfigurationError, match="delta"):
        open_session(frame, schema, ledger, budget=Budget(epsilon=1.0)).run(OneWays())


def test_only_reviewed_mechanisms_meet_the_rows(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    class Thief(GaussianMechanism):
        def run(self, table: Any, unit: Any) -> Any:
            raise AssertionError("reached the rows")

    class Robber(OneWays):
        def fit(self, measurer: Any, *, rng: Any = None) -> Any:
            mu = self.plan(measurer.schema, measurer.budget).steps[0].event.mu
            return measurer.measure(Thief(queries=(Marginal(columns=("age",)),), mus=(mu,)))

    with pytest.raises(PrivacyError, match="reviewed"):
        open_session(frame, schema, ledger).run(Robber())


def test_a_failing_mechanism_says_nothing_of_the_data(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Any, table: Any, unit: Any) -> Any:
        raise ValueError("the value 41 of row 7")

    monkeypatch.setattr(GaussianMechanism, "run", fail)
    with pytest.raises(MechanismError, match="stays spent") as caught:
        open_session(frame, schema, ledger).run(OneWays())
    assert "41" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_test_noise_taints(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    session = open_session(frame, schema, ledger)
    with insecure_noise(3):
        session.run(OneWays())
    guarantee = session.guarantee()
    assert session.transcript.tainted
    assert not guarantee.certifiable
    assert "test noise" in guarantee.in_words()


def test_an_assumed_schema_taints(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    from dataclasses import replace

    assumed = schema.replace_columns({"age": replace(schema.column("age"), origin="assumed")})
    session = open_session(frame, assumed, ledger)
    session.run(OneWays())
    assert not session.guarantee().certifiable
    assert "age" in session.guarantee().taints[0]


def test_unknown_parts_are_named(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    from dataclasses import replace

    unknown = schema.replace_columns({"colour": replace(schema.column("colour"), categories=None)})
    with pytest.raises(DataError, match="colour"):
        open_session(frame, unknown, ledger).run(OneWays())


def test_a_data_set_needs_a_name(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    with pytest.raises(ConfigurationError, match="name"):
        open_session(frame, schema, ledger, dataset="")


def test_discovery_and_run_stay_within_one_budget(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger
) -> None:
    from dataclasses import replace

    unknown = schema.replace_columns(
        {
            "colour": replace(schema.column("colour"), categories=None),
            "age": replace(schema.column("age"), minimum=None, maximum=None),
        }
    )
    budget = Budget(epsilon=4.0, delta=1e-3)
    session = open_session(frame, unknown, ledger, budget=budget, cap=Cap(epsilon=4.0, delta=1e-3))
    bought = session.discover(share=0.3)
    assert bought.complete
    assert session.schema is bought
    assert bought.column("age").origin == bought.column("colour").origin == "dp"
    assert bought.column("height").origin == "declared"
    session.run(OneWays())
    guarantee = session.guarantee()
    assert guarantee.adaptive
    assert guarantee.certifiable
    assert 3.0 < guarantee.epsilon <= 4.0
    assert guarantee.delta <= 1e-3
    assert len(session.transcript.measurements) == len(bought.modelled)
    assert OneWays().fit(Replay(session.transcript))  # the transcript replays without discovery
    (account,) = ledger.statement("people")
    assert account.spent.epsilon <= 4.0


@dataclass(frozen=True, kw_only=True)
class Halving:
    """Asks for one marginal with ever less noise, for as long as there is room: truly adaptive."""

    whole: Any
    first: float = 0.02

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        return Plan(method="halving", steps=(Step(label="rounds", event=self.whole),), adaptive=True)

    def fit(self, measurer: Any, *, rng: Any = None) -> list[int]:
        mu, answers = self.first, []
        while True:
            try:
                asked = GaussianMechanism(queries=(Marginal(columns=("age",)),), mus=(mu,))
                answers.append(int(measurer.measure(asked).values[0][0]))
            except BudgetExceededError:
                return answers
            mu *= 2


@pytest.mark.parametrize("whole", [ZCDPEvent(rho=0.02), GaussianEvent(mu=0.2)])
def test_an_adaptive_run_lives_under_a_filter_and_costs_the_whole(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, whole: Any
) -> None:
    session = open_session(frame, schema, ledger, budget=Budget(epsilon=2.0, delta=1e-6))
    answers = session.run(Halving(whole=whole))
    guarantee = session.guarantee()
    assert len(answers) == len(guarantee.events) == 4  # 0.02, 0.04, 0.08, 0.16: the next one has no room
    assert guarantee.adaptive
    assert guarantee.epsilon == price((whole,), delta=1e-6, adaptive=True).epsilon
    assert (
        price(guarantee.events, delta=1e-6, adaptive=True).epsilon < guarantee.epsilon
    )  # where it stopped is not the price
    assert guarantee.holds()
    assert guarantee.risk() == risk((whole,), delta=1e-6, adaptive=True)
    assert set(guarantee.labels) == {"rounds"}


def test_an_adaptive_plan_names_one_whole_that_a_filter_covers(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger
) -> None:
    before = open_session(frame, schema, ledger) and ledger.head()
    with pytest.raises(UnsupportedEventError, match="no filter covers"):
        open_session(frame, schema, ledger).run(Halving(whole=LaplaceEvent(epsilon=0.5)))

    class Twice(Halving):
        def plan(self, schema: Schema, budget: Budget) -> Plan:
            return Plan(method="twice", steps=(Step(label="a", event=self.whole),) * 2, adaptive=True)

    with pytest.raises(PrivacyError, match="one step"):
        open_session(frame, schema, ledger).run(Twice(whole=ZCDPEvent(rho=0.001)))
    assert ledger.head() == before


def test_a_filter_refuses_what_it_cannot_add(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    class Mixed(Halving):
        def fit(self, measurer: Any, *, rng: Any = None) -> Any:
            return measurer.measure(LaplaceMechanism(queries=(Marginal(columns=("age",)),), epsilons=(0.01,)))

    with pytest.raises(UnsupportedEventError):
        open_session(frame, schema, ledger).run(Mixed(whole=GaussianEvent(mu=0.1)))
    assert not [entry for entry in ledger.entries() if entry.content["kind"] == "draw"]


def test_nothing_is_drawn_without_a_reservation(schema: Schema, ledger: Ledger) -> None:
    spending = Spending(ledger, ledger.account("people", "one row"), schema.unit)
    spending.commit_steps((Step(label="age", event=GaussianEvent(mu=0.1)),))
    with pytest.raises(PrivacyError, match="Nothing is reserved"):
        spending.draw(GaussianMechanism(queries=(Marginal(columns=("age",)),), mus=(0.1,)), None)


def test_a_sweep_over_one_table_encodes_once_and_pays_every_time(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dpsynth.session import _vault

    encoded: list[int] = []
    encode = _vault._Content.encode
    monkeypatch.setattr(
        _vault._Content, "encode", lambda self, columns: encoded.append(1) or encode(self, columns)
    )
    table = PrivateTable.load(frame, schema)
    models = []
    for epsilon in (0.5, 1.0, 0.5):
        session = Session.open(
            table, budget=Budget(epsilon=epsilon, delta=1e-6), ledger=ledger, dataset="people"
        )
        models.append(session.run(OneWays()))
        assert OneWays().fit(Replay(session.transcript)) == models[-1]
    assert len(encoded) == 1
    assert models[0] != models[2]  # fresh noise on the counts that were kept
    (account,) = ledger.statement("people")
    assert 1.98 < account.spent.epsilon <= 2.0


def test_a_session_spends_on_the_part_that_its_table_holds(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger
) -> None:
    whole = ledger.account("people", str(schema.unit), cap=Cap(epsilon=1.5, delta=1e-5))
    ledger.divide(whole, by="first letter of the name", parts=["A to M", "N to Z"])
    for part in ("A to M", "N to Z"):
        session = open_session(frame, schema, ledger, partition=part)
        session.run(OneWays())
        assert session.guarantee().partition == part
        assert Guarantee.from_json(session.guarantee().to_json()) == session.guarantee()
    assert ledger.statement("people")[0].spent.epsilon == pytest.approx(1.0, abs=0.01)  # once, not twice
    with pytest.raises(BudgetExceededError, match="'people'"):
        open_session(frame, schema, ledger).run(OneWays())  # everybody comes on top


def test_no_part_is_taken_where_somebody_may_move_between_parts(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger
) -> None:
    moving = replace(schema, unit=Unit(relation="replace_one"))
    with pytest.raises(ConfigurationError, match=r"partition.*relation='add_remove'"):
        open_session(frame, moving, ledger, partition="A to M")
    assert ledger.statement() == ()
