"""Whole runs through the real door, with everything that was asked kept beside its answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dpsynth.auditing.worst_cases import MadeUp
from dpsynth.generators.base import Generator, Model
from dpsynth.ledger import Ledger
from dpsynth.mechanisms import Measurement, Mechanism
from dpsynth.privacy.budget import Budget
from dpsynth.schema.schema import Schema
from dpsynth.session import Guarantee, Measurer, Plan, Session, Step, Transcript

__all__ = ["TAINTED", "Answered", "Asked", "Run", "Runs", "asked_again"]

TAINTED = " Drawn with the deterministic noise of tests: it shows nothing about real noise."

_AMPLE = Budget(epsilon=1e9, delta=0.1)
_AT_ONCE = 100  # draws of one session


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Answered:
    """One paid access.

    Attributes:
        mechanism: What was asked.
        measurement: What came back.
    """

    mechanism: Mechanism
    measurement: Measurement


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Run:
    """One run of a generator: all that a release of it could show.

    Attributes:
        answered: In order.
        model: What was fitted.
        transcript: The public record.
        guarantee: What the run promises.
    """

    answered: tuple[Answered, ...]
    model: Model
    transcript: Transcript
    guarantee: Guarantee


class Asked:
    """A generator that remembers what it asked. Its plan, a function of public values, is made once.

    Args:
        generator: What is audited.
    """

    def __init__(self, generator: Generator) -> None:
        self.generator = generator
        self.name = generator.name
        self.holds_zeros = getattr(generator, "holds_zeros", False)
        self.answered: list[Answered] = []
        self._planned: tuple[Schema, Budget, Plan] | None = None

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        """That of the generator."""
        if self._planned is None or self._planned[0] is not schema or self._planned[1] != budget:
            self._planned = (schema, budget, self.generator.plan(schema, budget))
        return self._planned[2]

    def fit(self, measurer: Measurer, *, rng: Any = None) -> Model:
        """That of the generator, through a measurer that keeps what passes."""
        self.answered = []
        return self.generator.fit(_Kept(measurer, self.answered), rng=rng)


class _Kept:
    """A measurer between a generator and the session."""

    def __init__(self, measurer: Measurer, answered: list[Answered]) -> None:
        self.schema, self.budget = measurer.schema, measurer.budget
        self._measurer, self._answered = measurer, answered

    def measure(self, mechanism: Mechanism) -> Measurement:
        measurement = self._measurer.measure(mechanism)
        self._answered.append(Answered(mechanism=mechanism, measurement=measurement))
        return measurement

    def select(self, mechanism: Mechanism) -> int:
        return int(self.measure(mechanism).values[0][0])


class Runs:
    """Many independent runs of one generator, one ledger for each block of them.

    Args:
        generator: What is audited.
        budget: What each run may spend.
    """

    _BLOCK = 500

    def __init__(self, generator: Generator, budget: Budget) -> None:
        self._asked, self._budget = Asked(generator), budget
        self._ledger, self._left = Ledger.in_memory(), self._BLOCK

    def on(self, made: MadeUp, *, rng: int = 0) -> Run:
        """A run on a made-up table: a session, a reservation and real noise of its own."""
        if not self._left:
            self._ledger.close()
            self._ledger, self._left = Ledger.in_memory(), self._BLOCK
        self._left -= 1
        session = Session.open(made.table, budget=self._budget, ledger=self._ledger, dataset="made up")
        model = session.run(self._asked, rng=rng)
        return Run(
            answered=tuple(self._asked.answered),
            model=model,
            transcript=session.transcript,
            guarantee=session.guarantee(),
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Again:
    """A generator that asks one thing several times and models nothing."""

    mechanism: Mechanism
    times: int

    def plan(self, schema: Schema, budget: Budget) -> Plan:  # noqa: ARG002 - one signature for all generators
        step = Step(label="asked again", event=self.mechanism.event())
        return Plan(method="audit", steps=(step,) * self.times)

    def fit(self, measurer: Measurer, *, rng: Any = None) -> list[Measurement]:  # noqa: ARG002 - as above
        return [measurer.measure(self.mechanism) for _ in range(self.times)]


def asked_again(mechanism: Mechanism, made: MadeUp, *, times: int) -> Iterator[Measurement]:
    """Fresh answers to a mechanism that some run asked, each paid by a session on a made-up table."""
    while times > 0:
        again = _Again(mechanism=mechanism, times=min(times, _AT_ONCE))
        with Ledger.in_memory() as ledger:
            session = Session.open(made.table, budget=_AMPLE, ledger=ledger, dataset="made up")
            yield from session.run(again)
        times -= again.times
