"""A whole run from outside: what it asked, in which order it was paid, and everything that it shows.

A recorded run has its own answers. A *following* run has other rows behind its session, and what the
generator hears is what the recorded one heard: every mechanism is drawn on the other rows and paid, and its
answer is replaced. Whatever then differs between the two runs came from the rows by another way.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, cast

import pandas as pd

from dpsynth.auditing.known_words import Heard
from dpsynth.generators.base import Generator, Model, Plan, Rng
from dpsynth.generators.derived import with_constraints
from dpsynth.generators.fitted import FittedModel
from dpsynth.ledger import Ledger, Receipt, Reservation
from dpsynth.mechanisms import Measurement, Mechanism
from dpsynth.privacy.budget import Budget
from dpsynth.schema.schema import Schema
from dpsynth.session import Guarantee, Measurer, PrivateTable, Session, Transcript
from dpsynth.session.configuration import chosen
from dpsynth.testing.insecure import insecure_words, repeatable_words

__all__ = ["DATASET", "SEED", "Outcome", "WatchedLedger", "attempt", "saved", "told"]

DATASET = "audit"
SEED = 7
"""Of the post-processing of every run."""

Log = list[tuple[str, int]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Outcome:
    """What one run did.

    Attributes:
        failure: What it said when it failed; empty if it did not.
        spoken: Everything that it printed, warned or logged, and its progress.
        log: In order: each reservation, each draw in the ledger, each request for words, each answer.
        mechanisms: What was asked.
        drawn: What was drawn on these rows, whatever the generator heard.
        entries: The ledger, without times and names.
        plan: What was committed.
        guarantee: What is promised.
        transcript: What was heard.
        fitted: The model.
        spent: Epsilon on the account.
    """

    failure: str
    spoken: str
    log: tuple[tuple[str, int], ...]
    mechanisms: tuple[Mechanism, ...]
    drawn: tuple[Measurement, ...]
    entries: tuple[dict[str, Any], ...]
    plan: Plan | None = None
    guarantee: Guarantee | None = None
    transcript: Transcript | None = None
    fitted: FittedModel | None = None
    spent: float = 0.0


class WatchedLedger(Ledger):
    """A ledger in memory that writes into a log what is done to it, and when."""

    log: Log

    @classmethod
    def logging(cls, log: Log) -> WatchedLedger:
        """A new one that writes to `log`."""
        ledger = cast("WatchedLedger", cls.in_memory())
        ledger.log = log
        return ledger

    def reserve(self, *args: Any, **words: Any) -> Reservation:
        """As the ledger does."""
        made = super().reserve(*args, **words)
        self.log.append(("reserve", 1))
        return made

    def draw(self, *args: Any, **words: Any) -> Receipt:
        """As the ledger does."""
        made = super().draw(*args, **words)
        self.log.append(("draw", 1))
        return made


@dataclass(slots=True)
class _Listening:
    """A generator that is listened to; `heard` are the answers it hears in place of its own."""

    inner: Generator
    heard: Transcript | None
    log: Log
    mechanisms: list[Mechanism] = field(default_factory=list)
    drawn: list[Measurement] = field(default_factory=list)

    holds_zeros: ClassVar[bool] = True  # asked before a run: see `attempt`

    @property
    def name(self) -> str:
        return self.inner.name

    def resolved(self, schema: Schema, budget: Budget) -> Generator:
        return cast("Generator", chosen(self.inner, schema, budget))

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        return self.inner.plan(schema, budget)

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> Model:
        return self.inner.fit(_Between(measurer, self), rng=rng)


class _Between:
    """The measurer of a run that is listened to."""

    def __init__(self, door: Measurer, listening: _Listening) -> None:
        self.door, self._listening = door, listening
        self.schema, self.budget = door.schema, door.budget

    def measure(self, mechanism: Mechanism) -> Measurement:
        listening = self._listening
        drawn = self.door.measure(mechanism)
        listening.log.append(("answer", 1))
        position = len(listening.mechanisms)
        listening.mechanisms.append(mechanism)
        listening.drawn.append(drawn)
        return drawn if listening.heard is None else listening.heard.answer(position, mechanism)

    def select(self, mechanism: Mechanism) -> int:
        return int(self.measure(mechanism).values[0][0])


def attempt(
    generator: Generator,
    schema: Schema,
    frame: pd.DataFrame,
    budget: Budget,
    *,
    following: Transcript | None = None,
    seed: int = 0,
) -> Outcome:
    """One run of `generator` on `frame`, behind a session and a ledger of its own.

    Args:
        generator: The method.
        schema: Of the table.
        frame: A made-up table.
        budget: Of the run.
        following: What the generator is to hear; None lets it hear its own answers.
        seed: Of the noise, which is that of tests.
    """
    log: Log = []
    spoken: list[str] = []
    ledger = WatchedLedger.logging(log)
    held = with_constraints(generator, schema)
    listening = _Listening(inner=held, heard=following, log=log)
    found: dict[str, Any] = {}
    failure = ""
    with told(spoken):
        try:
            with insecure_words(Heard(repeatable_words(seed), log)):
                table = PrivateTable.load(frame, schema)
                log.clear()  # which rows of a unit stay is no answer
                session = Session.open(table, budget=budget, ledger=ledger, dataset=DATASET)
                model = session.run(listening, rng=SEED, progress=lambda step: spoken.append(str(step)))
            guarantee = session.guarantee()
            found = {
                "guarantee": guarantee,
                "transcript": session.transcript,
                "fitted": FittedModel(model=model, guarantee=guarantee),
                "plan": held.plan(schema, budget),
            }
        except Exception as error:  # noqa: BLE001 - whatever a run says when it fails is looked at
            failure = f"{type(error).__name__}: {error}"
    spent = [account.spent.epsilon or 0.0 for account in ledger.statement(DATASET)]
    return Outcome(
        failure=failure,
        spoken="\n".join(spoken),
        log=tuple(log),
        mechanisms=tuple(listening.mechanisms),
        drawn=tuple(listening.drawn),
        entries=tuple(_without_names(entry.content) for entry in ledger.entries()),
        spent=sum(spent),
        **found,
    )


def saved(fitted: FittedModel, guarantee: Guarantee) -> bytes:
    """The file of a model, under a guarantee that says nothing of the ledger it was paid from."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.dps"
        FittedModel(model=fitted.model, guarantee=guarantee).save(path)
        return path.read_bytes()


@contextlib.contextmanager
def told(spoken: list[str]) -> Iterator[None]:
    """Collect what is printed, warned and logged inside the block."""
    out = io.StringIO()
    handler = _Collecting(spoken.append)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with (
            warnings.catch_warnings(record=True) as warned,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(out),
        ):
            warnings.simplefilter("always")
            yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    spoken += [str(warning.message) for warning in warned]
    if out.getvalue():
        spoken.append(out.getvalue())


class _Collecting(logging.Handler):
    """Hands over the messages of `dpsynth`, and of whatever else speaks."""

    def __init__(self, take: Callable[[str], None]) -> None:
        super().__init__(logging.DEBUG)
        self._take = take

    def emit(self, record: logging.LogRecord) -> None:
        self._take(record.getMessage())


def _without_names(content: dict[str, Any]) -> dict[str, Any]:
    """An entry of the ledger without what is random or a time."""
    drop = ("time", "ledger", "reservation", "account")
    return {name: value for name, value in content.items() if name not in drop}
