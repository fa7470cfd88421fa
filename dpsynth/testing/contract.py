"""The contract of a generator, as checks that anybody can run on an own one.

    from dpsynth.testing import GeneratorContract

    class TestMine(GeneratorContract):
        generator = Mine()

or, without pytest, `check_generator(Mine())`. A failed check raises `AssertionError` and says which
table it failed on. The checks spend no real budget: their tables are made up.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from dpsynth.errors import ConfigurationError
from dpsynth.generators.base import Generator, Model, Plan, holds_zeros
from dpsynth.generators.derivations import reduced
from dpsynth.generators.derived import with_constraints
from dpsynth.generators.fitted import FittedModel
from dpsynth.ledger import Ledger
from dpsynth.privacy.accountant import price
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.events import ComposedEvent, Event
from dpsynth.privacy.filters import filter_for
from dpsynth.schema.constraint_tables import allowed_table
from dpsynth.schema.encode import encode_column
from dpsynth.session import PrivateTable, Replay, Session, Transcript
from dpsynth.testing.cases import PRIVATE_ROWS, Case, cases

__all__ = ["GeneratorContract", "check_generator"]

_SEED = 3
_PRIVATE_TYPES = ("EncodedTable", "PrivateTable", "Session", "DataFrame", "Series", "Table")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Run:
    """A generator fitted on one case."""

    case: Case
    generator: Generator
    fitted: FittedModel
    transcript: Transcript


class GeneratorContract:
    """What every generator promises. Inherit, and set `generator`.

    Attributes:
        generator: The configured generator under test.
        budget: What each fit may spend.
    """

    generator: ClassVar[Generator]
    budget: ClassVar[Budget] = Budget(epsilon=2.0, delta=1e-6)

    def test_the_plan_is_deterministic(self) -> None:
        """Two plans for one schema and budget are equal; no data is in sight."""
        for case, generator in self._held():
            first, second = (generator.plan(case.schema, self.budget) for _ in range(2))
            _require(first == second, case, "two plans for one schema and budget differ")
            _require(first.digest() == second.digest(), case, "two digests of one plan differ")
            _require(first.method == self.generator.name, case, "the plan names another method")

    def test_the_plan_stays_within_the_budget(self) -> None:
        """The price of all events is at most the budget."""
        for case, generator in self._held():
            for budget in (self.budget, Budget(epsilon=0.1, delta=1e-9), Budget(rho=0.01, delta=1e-6)):
                plan = generator.plan(case.schema, budget)
                limit = budget.epsilon or _epsilon_of_rho(budget)
                cost = price(plan.events, delta=budget.delta, thorough=plan.thorough).epsilon
                _require(cost <= limit, case, f"the plan exceeds {budget}")

    def test_fit_asks_exactly_what_was_planned(self) -> None:
        """Every planned event is paid, in order, and no other; an adaptive plan is a whole to stay within."""
        for run in self._runs():
            plan = run.generator.plan(run.case.schema, self.budget)
            paid = tuple(measurement.event for measurement in run.transcript.measurements)
            if plan.adaptive:
                _require(_fits(paid, plan), run.case, "fit asked more than the planned whole, or nothing")
            else:
                _require(paid == plan.events, run.case, "fit did not ask exactly the planned events in order")

    def test_replay_gives_the_identical_model(self) -> None:
        """A fit on the transcript, without data, saves to the same bytes."""
        for run in self._runs():
            again = run.generator.fit(Replay(run.transcript), rng=_SEED)
            replayed = FittedModel(model=again, guarantee=run.fitted.guarantee)
            same = _saved(run.fitted) == _saved(replayed)
            _require(same, run.case, "the model depends on something that was not measured")

    def test_samples_are_in_the_domain(self) -> None:
        """As many rows as asked for; every code in its column, every value in the schema."""
        for run in self._runs():
            for rows in (0, 1, 50):
                codes = run.fitted.model.sample_codes(rows, np.random.default_rng(_SEED))
                _check_codes(run.case, codes, rows)
                _check_frame(run.case, run.fitted.sample(rows, rng=_SEED).frame, rows)

    def test_the_default_number_of_rows_is_the_estimate(self) -> None:
        """Never the private number itself."""
        for run in self._runs():
            total = run.fitted.model.total
            _require(np.isfinite(total) and total >= 0, run.case, "the total is no number of rows")
            _require(
                len(run.fitted.sample(rng=_SEED).frame) == round(total),
                run.case,
                "rows differ from the total",
            )

    def test_samples_follow_their_seed(self) -> None:
        """One seed, one table."""
        for run in self._runs():
            first, second = (run.fitted.sample(40, rng=_SEED).frame for _ in range(2))
            _require(first.equals(second), run.case, "one seed gave two tables")

    def test_saving_and_loading_changes_nothing(self) -> None:
        """A loaded model draws the same rows and carries the same guarantee."""
        for run in self._runs():
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.dps"
                run.fitted.save(path)
                loaded = FittedModel.load(path)
            same = loaded.sample(40, rng=_SEED).frame.equals(run.fitted.sample(40, rng=_SEED).frame)
            _require(same, run.case, "a loaded model draws other rows")
            _require(loaded.guarantee == run.fitted.guarantee, run.case, "the guarantee changed in the file")

    def test_given_values_are_honoured(self) -> None:
        """A code that the model can draw can be asked for, in every column."""
        for run in self._runs():
            drawn = run.fitted.model.sample_codes(1, np.random.default_rng(_SEED))
            for name, code in ((name, int(codes[0])) for name, codes in drawn.items()):
                codes = run.fitted.model.sample_codes(20, np.random.default_rng(_SEED), {name: code})
                _check_codes(run.case, codes, 20)
                _require(bool((codes[name] == code).all()), run.case, f"`given` did not fix column {name!r}")

    def test_the_model_holds_no_rows(self) -> None:
        """Nothing in the model is private by type, and no array has one entry for each private row."""
        for run in self._runs():
            _, arrays = run.fitted.model.state()
            for item in (*_reachable(run.fitted.model), *arrays.values()):
                kind = type(item).__name__
                _require(kind not in _PRIVATE_TYPES, run.case, f"the model holds a {kind}")
                rows = isinstance(item, np.ndarray) and PRIVATE_ROWS in item.shape
                _require(not rows, run.case, "the model holds an array with one entry for each private row")

    def test_constraints_hold(self) -> None:
        """No row and no exact answer breaks a constraint."""
        for run in self._runs():
            codes = run.fitted.model.sample_codes(500, np.random.default_rng(_SEED))
            for constraint in run.case.schema.constraints:
                allowed = allowed_table(run.case.schema, constraint)
                possible = allowed[tuple(codes[name] for name in constraint.columns)]
                _require(bool(possible.all()), run.case, f"rows break the one on {constraint.columns}")
                shares = _marginal(run.fitted.model, constraint.columns)
                broken = shares is not None and bool(shares[~allowed].any())
                _require(not broken, run.case, f"answers break the constraint on {constraint.columns}")

    def _held(self) -> Iterator[tuple[Case, Generator]]:
        """The cases that the generator says it can hold, each with the generator for it."""
        for case in cases():
            if holds_zeros(self.generator) or not reduced(case.schema).schema.constraints:
                yield case, with_constraints(self.generator, case.schema)

    def _runs(self) -> tuple[_Run, ...]:
        """One fit on each table, shared by all checks of one class."""
        if type(self) not in _FITTED:
            _FITTED[type(self)] = tuple(self._fits())
        return _FITTED[type(self)]

    def _fits(self) -> Iterator[_Run]:
        for case, generator in self._held():
            with Ledger.in_memory() as ledger:
                table = PrivateTable.load(case.frame, case.schema)
                session = Session.open(table, budget=self.budget, ledger=ledger, dataset="contract")
                model: Model = session.run(generator, rng=_SEED)
                fitted = FittedModel(model=model, guarantee=session.guarantee())
                yield _Run(case=case, generator=generator, fitted=fitted, transcript=session.transcript)


_FITTED: WeakKeyDictionary[type[GeneratorContract], tuple[_Run, ...]] = WeakKeyDictionary()


def check_generator(generator: Generator) -> None:
    """Run every check of `GeneratorContract` on `generator`.

    Raises:
        AssertionError: A promise is broken; the message says which, and on which table.
    """
    contract = type("Contract", (GeneratorContract,), {"generator": generator})()
    for name in sorted(vars(GeneratorContract)):
        if name.startswith("test_"):
            getattr(contract, name)()


def _marginal(model: Model, columns: tuple[str, ...]) -> np.ndarray[Any, Any] | None:
    """The exact marginal of a model that gives one."""
    answer = getattr(model, "marginal", None)
    try:
        return None if answer is None else np.asarray(answer(columns))
    except ConfigurationError:  # a model around one that draws rows only
        return None


def _require(holds: bool, case: Case, broken: str) -> None:
    if not holds:
        raise AssertionError(f"On the table with {case.name}: {broken}.")


def _fits(paid: tuple[Event, ...], plan: Plan) -> bool:
    """Whether an adaptive plan is one whole, and `paid` is something that its filter admits."""
    return (
        bool(paid) and len(plan.steps) == 1 and filter_for(plan.events[0]).admits(ComposedEvent(events=paid))
    )


def _epsilon_of_rho(budget: Budget) -> float:
    from dpsynth.privacy.events import ZCDPEvent

    return price((ZCDPEvent(rho=budget.rho or 0.0),), delta=budget.delta).epsilon


def _saved(fitted: FittedModel) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.dps"
        fitted.save(path)
        return path.read_bytes()


def _check_codes(case: Case, codes: Mapping[str, np.ndarray[Any, Any]], rows: int) -> None:
    domain = case.schema.domain
    _require(set(codes) == set(domain.columns), case, "a sample lacks columns, or has too many")
    for name, column in codes.items():
        _require(column.shape == (rows,), case, f"column {name!r} does not have the rows asked for")
        _require(
            np.issubdtype(column.dtype, np.integer), case, f"the codes of column {name!r} are no integers"
        )
        inside = (column >= 0) & (column < domain.size_of(name))
        _require(bool(inside.all()), case, f"column {name!r} has codes outside its domain")


def _check_frame(case: Case, frame: pd.DataFrame, rows: int) -> None:
    _require(len(frame) == rows, case, "the table does not have the rows asked for")
    order = [name for name in case.schema.names if name in frame]
    _require(list(frame.columns) == order, case, "the columns are not those of the schema, in its order")
    for column in case.schema.modelled:
        codes = encode_column(column, frame[column.name], case.schema.missing_values)
        _require(bool((codes >= 0).all()), case, f"column {column.name!r} has values outside the schema")


def _reachable(root: object) -> Iterator[object]:
    """Everything that a model holds, through containers and attributes."""
    seen: set[int] = set()
    queue = [root]
    while queue:
        item = queue.pop()
        if id(item) in seen or isinstance(item, (str, bytes, int, float, type)):
            continue
        seen.add(id(item))
        yield item
        queue += _parts(item)


def _parts(item: Any) -> list[Any]:
    if isinstance(item, Mapping):
        return [*item.keys(), *item.values()]
    if isinstance(item, (list, tuple, set, frozenset)):
        return list(item)
    if is_dataclass(item):
        return [getattr(item, field.name) for field in fields(item)]
    return list(getattr(item, "__dict__", {}).values())
