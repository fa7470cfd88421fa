"""What mechanisms compute under their noise, by the real code path from a frame to an answer.

A session asks the mechanisms in question and draws them from known words (see `known_words`). So reading,
encoding, the bound on contributions, counting and the mechanism's own `run` are all in what is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pandas as pd

from dpsynth.auditing.known_words import LOUD, SILENT, Heard
from dpsynth.generators.base import Plan, Rng, Step
from dpsynth.ledger import Ledger
from dpsynth.mechanisms import ExponentialMechanism, Measurement, Mechanism, NoisyScores, Total
from dpsynth.mechanisms.gaussian import GaussianMechanism
from dpsynth.privacy.budget import Budget
from dpsynth.schema.schema import Schema
from dpsynth.session import Measurer, PrivateTable, Session
from dpsynth.testing.insecure import WordSource, insecure_words

__all__ = ["ask", "exact", "loud", "rows_of"]

_ROOM = Budget(epsilon=1e6, delta=1e-3)

Words = Callable[[Mechanism], WordSource]


@dataclass(frozen=True, slots=True)
class _Asking:
    """As a generator: asks some mechanisms, each under words of its own, and keeps the answers."""

    mechanisms: tuple[Mechanism, ...]
    words: Words
    log: list[tuple[str, int]] = field(default_factory=list)

    holds_zeros: ClassVar[bool] = True

    def plan(self, schema: Schema, budget: Budget) -> Plan:  # noqa: ARG002 - the contract of generators
        steps = tuple(Step(label="asked", event=mechanism.event()) for mechanism in self.mechanisms)
        return Plan(method="audit", steps=steps)

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> tuple[Measurement, ...]:  # noqa: ARG002
        answers = []
        for mechanism in self.mechanisms:
            with insecure_words(self.words(mechanism)):
                answers.append(measurer.measure(mechanism))
        return tuple(answers)


def ask(
    mechanisms: Sequence[Mechanism], schema: Schema, frame: pd.DataFrame, words: Words
) -> tuple[Measurement, ...]:
    """The answers to `mechanisms` on `frame`, drawn from `words`."""
    if not mechanisms:
        return ()
    with Ledger.in_memory() as ledger, insecure_words(SILENT):
        table = PrivateTable.load(frame, schema)
        session = Session.open(table, budget=_ROOM, ledger=ledger, dataset="audit")
        return session.run(_Asking(mechanisms=tuple(mechanisms), words=words))


def exact(
    mechanisms: Sequence[Mechanism], schema: Schema, frame: pd.DataFrame
) -> tuple[tuple[Any, ...], ...]:
    """For each mechanism its answers without noise; for a selection the scores of all candidates."""
    answers = ask([_telling(each) for each in mechanisms], schema, frame, lambda _: SILENT)
    return tuple(answer.values for answer in answers)


def loud(
    mechanisms: Sequence[Mechanism], schema: Schema, frame: pd.DataFrame
) -> tuple[tuple[tuple[Any, ...], ...], tuple[int, ...]]:
    """For each mechanism that adds noise its answers under `LOUD` words, and how many words it took."""
    heard: list[Heard] = []

    def listened(_: Mechanism) -> WordSource:
        heard.append(Heard(LOUD))
        return heard[-1]

    answers = ask([_telling(each) for each in mechanisms], schema, frame, listened)
    taken = tuple(sum(count for _, count in source.log) for source in heard)
    return tuple(answer.values for answer in answers), taken


def rows_of(schema: Schema, frame: pd.DataFrame) -> int:
    """How many rows of a made-up table mechanisms see."""
    return int(exact([GaussianMechanism(queries=(Total(),), mus=(0.1,))], schema, frame)[0][0][0])


def _telling(mechanism: Mechanism) -> Mechanism:
    """The mechanism whose answer holds the same numbers: a selection shows its choice only."""
    if isinstance(mechanism, ExponentialMechanism):
        return NoisyScores(score=mechanism.score, mu=0.1)
    return mechanism
