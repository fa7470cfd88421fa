"""The structural audit of what a session buys for its schema: bounds, cells and lists of categories.

Discovery is asked as runs are: one is recorded, others follow it on other rows and hear the same answers.
They draw from known words, which shows the exact histograms and the noise on them. A list of categories is
the one release whose proof needs a threshold; that is looked at on tables made for it.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd

from dpsynth.auditing.evidence import Evidence
from dpsynth.auditing.known_words import LOUD, LOUD_GAUSSIAN, SILENT, Constant
from dpsynth.auditing.made_up import SENTINEL, Neighbours, grounds, open_schema
from dpsynth.auditing.movements import Verdicts, moved, priced, too_quiet
from dpsynth.auditing.recording import DATASET, told
from dpsynth.auditing.structural import CHECKS, gathered, guarded
from dpsynth.generators.independent import Independent
from dpsynth.ledger import Ledger
from dpsynth.mechanisms import GaussianMechanism, Measurement, Mechanism, PartitionSelection
from dpsynth.privacy.budget import Budget
from dpsynth.schema.schema import Schema
from dpsynth.session import PrivateTable, Session
from dpsynth.testing.insecure import WordSource, insecure_words, repeatable_words

__all__ = ["LOOKED_AT", "audit_discovery"]

LOOKED_AT = {
    **{name: CHECKS[name] for name in ("runs", "questions", "sensitivity", "noise", "bill", "messages")},
    "domain": "Bounds, cells and categories are the same where other rows gave the same answers.",
    "partition": "No label of one unit is released, but with the chance that is paid.",
}
"""What is looked at, in words."""

_TABLES = ("without", "base", "far", "unlike", "many rows")
_CELLS = ("age", "height")
_DEFAULT = Budget(epsilon=4.0, delta=1e-6)
_LOUDER = Constant(2**21)
"""Noise that is exceeded with a probability of 2^-43: every label passes its threshold."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Bought:
    """What one discovery did."""

    schema: Schema | None
    mechanisms: tuple[Mechanism, ...]
    drawn: tuple[Measurement, ...]
    events: tuple[str, ...]
    spoken: str
    failure: str = ""

    @property
    def asked(self) -> list[str]:
        """The mechanisms as text."""
        return [json.dumps(mechanism.describe(), sort_keys=True) for mechanism in self.mechanisms]


class _Buying(Session):
    """A session whose discovery is listened to; `heard` are the answers it hears in place of its own."""

    heard: Sequence[Measurement] = ()
    labels_from: WordSource | None = None

    def listen(self, heard: Sequence[Measurement], labels_from: WordSource | None) -> None:
        """Begin to listen."""
        self.heard, self.labels_from = heard, labels_from
        self.mechanisms: list[Mechanism] = []
        self.drawn: list[Measurement] = []

    def _ask(self, mechanism: Mechanism, columns: Sequence[Any]) -> Measurement:
        position = len(self.mechanisms)
        self.mechanisms.append(mechanism)
        # The loudest words are dear where there are many cells, and are for labels only.
        loudest = self.labels_from if isinstance(mechanism, PartitionSelection) else None
        with contextlib.nullcontext() if loudest is None else insecure_words(loudest):
            self.drawn.append(super()._ask(mechanism, columns))
        return self.heard[position] if position < len(self.heard) else self.drawn[-1]


def audit_discovery(*, budget: Budget = _DEFAULT, seed: int = 5) -> Evidence:
    """Look for ways by which rows reach a discovered schema unpaid.

    Args:
        budget: Of each session.
        seed: Of the made-up rows.
    """
    verdicts: list[tuple[str, str]] = []
    runs = 0
    for ground in grounds(seed):
        base = _buy(ground, ground.tables["base"], budget, repeatable_words(seed))
        if base.failure:
            verdicts.append(("runs", "Discovery on a plain table fails."))
            continue
        tables = {
            **ground.telling,
            **{name: ground.tables[name] for name in _TABLES if name in ground.tables},
        }
        others = {name: _follow(base, ground, frame, budget, SILENT) for name, frame in tables.items()}
        runs += len(others)
        for name, other in others.items():
            verdicts += guarded(_differences(base, other, name))
        verdicts += guarded(_histograms(base, others, ground, budget))
        verdicts += guarded(_labels(base, ground, budget))
    plan = Independent().plan(ground.schema, budget)
    return gathered(verdicts, Independent(), plan, budget, runs=runs, looked_at=LOOKED_AT)


def _buy(
    ground: Neighbours,
    frame: pd.DataFrame,
    budget: Budget,
    words: WordSource,
    heard: Sequence[Measurement] = (),
    labels_from: WordSource | None = None,
) -> _Bought:
    spoken: list[str] = []
    failure, schema = "", None
    with told(spoken), Ledger.in_memory() as ledger, insecure_words(SILENT):
        opened = open_schema(ground.schema)
        table = PrivateTable.load(frame, opened)
        session = cast("_Buying", _Buying.open(table, budget=budget, ledger=ledger, dataset=DATASET))
        session.listen(heard, labels_from)
        try:
            with insecure_words(words):
                schema = session.discover(cells=_CELLS)
        except Exception as error:  # noqa: BLE001 - whatever it says is looked at
            failure = f"{type(error).__name__}: {error}"
        contents = [entry.content for entry in ledger.entries()]
    return _Bought(
        schema=schema,
        mechanisms=tuple(session.mechanisms),
        drawn=tuple(session.drawn),
        events=tuple(
            json.dumps(body["event"], sort_keys=True) for body in contents if body["kind"] == "draw"
        ),
        spoken="\n".join(spoken),
        failure=failure,
    )


def _follow(
    base: _Bought, ground: Neighbours, frame: pd.DataFrame, budget: Budget, words: WordSource
) -> _Bought:
    return _buy(ground, frame, budget, words, base.drawn)


def _differences(base: _Bought, other: _Bought, table: str) -> Verdicts:
    where = f"on the table called {table!r}"
    if other.failure or base.schema is None or other.schema is None:
        yield "runs", f"Discovery that heard the same answers ended otherwise {where}."
        return
    if base.asked != other.asked:
        yield "questions", f"Mechanisms or their parameters are others {where}."
    if base.schema.to_json() != other.schema.to_json():
        yield "domain", f"Bounds, cells or categories are others {where}."
    drawn = [json.dumps(measurement.event.to_json(), sort_keys=True) for measurement in other.drawn]
    if list(other.events) != drawn:
        yield "bill", f"The events in the ledger are not those that were drawn {where}."
    if other.spoken != base.spoken or SENTINEL in other.spoken + json.dumps(other.schema.to_json()):
        yield "messages", f"Something else is printed, warned or logged {where}."


def _histograms(base: _Bought, others: Mapping[str, _Bought], ground: Neighbours, budget: Budget) -> Verdicts:
    """Exact histograms on all neighbours, and the noise on two."""
    counted = [i for i, each in enumerate(base.mechanisms) if isinstance(each, GaussianMechanism)]
    mechanisms = [base.mechanisms[i] for i in counted]
    answers = {name: tuple(others[name].drawn[i].values for i in counted) for name in others}
    noise = {}
    for name in ("base", "without"):
        noisy = _follow(base, ground, ground.tables[name], budget, LOUD).drawn
        pairs = zip((noisy[i].values for i in counted), answers[name], strict=True)
        noise[name] = [tuple(n - p for n, p in zip(one, two, strict=True)) for one, two in pairs]
    yield from moved(mechanisms, answers, ground)
    yield from too_quiet(mechanisms, noise["base"], noise["without"], ground.schema.unit)
    for mechanism, measurement in zip(mechanisms, (base.drawn[i] for i in counted), strict=True):
        yield from priced(mechanism, measurement)


def _labels(base: _Bought, ground: Neighbours, budget: Budget) -> Verdicts:
    """Where a label of few units is released, or where one unit changes more labels than it may."""
    place, mechanism = next(
        (i, each) for i, each in enumerate(base.mechanisms) if isinstance(each, PartitionSelection)
    )
    changed = ground.schema.unit.rows_changed
    sigma = math.sqrt(changed) / mechanism.mu
    threshold = _threshold(sigma, mechanism.delta / changed)
    counts = {"few": 1, "below": threshold - 1, "above": threshold + 1, "many": 2 * threshold}
    frame = _frame_of(ground, counts)

    def released(frame: pd.DataFrame, words: WordSource) -> dict[str, int]:
        bought = _buy(ground, frame, budget, SILENT, base.drawn, labels_from=words)
        numbers, names = bought.drawn[place].values
        return dict(zip(names.tolist(), numbers.tolist(), strict=True))

    silent, louder = released(frame, SILENT), released(frame, _LOUDER)
    if {"few", "below"} & set(silent):
        yield "partition", "A label is released that too few units share."
    loud = released(frame, LOUD)
    if any(loud[name] - silent[name] + 0.5 < sigma * LOUD_GAUSSIAN for name in silent):
        yield "noise", "The noise on counts of labels is less than its price needs."
    crowd = pd.concat([frame, _one_unit(ground, [f"own-{i}" for i in range(9)])], ignore_index=True)
    more = released(crowd, _LOUDER)
    allowed = ground.schema.unit.contributions
    if len(set(more) ^ set(louder)) > allowed or any(
        abs(more[n] - louder[n]) > 1 for n in louder if n in more
    ):
        yield "partition", "One unit changes more labels, or changes them further, than is paid."


def _threshold(sigma: float, share: float) -> int:
    """The smallest count from 2 on that one unit alone reaches with a probability of at most `share`."""
    from scipy.special import ndtri

    return max(2, math.ceil(1.5 - sigma * float(ndtri(share)) - 1e-9))


def _frame_of(ground: Neighbours, counts: dict[str, int]) -> pd.DataFrame:
    """Rows of so many units for each label, each unit with one row."""
    labels = [label for label, count in counts.items() for _ in range(count)]
    row = ground.tables["base"].iloc[[-1]]
    made = row.loc[np.repeat(row.index, len(labels))].reset_index(drop=True)
    return made.assign(colour=pd.Series(labels, dtype=object), id=[f"unit-{i}" for i in range(len(labels))])


def _one_unit(ground: Neighbours, labels: list[str]) -> pd.DataFrame:
    """One unit with a row for each label; one row if that is a unit."""
    rows = labels if ground.schema.unit.id_column else labels[:1]
    return _frame_of(ground, dict.fromkeys(rows, 1)).assign(id=SENTINEL)
