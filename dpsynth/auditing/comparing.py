"""A recorded run against one that follows it on other rows, and the bill of a run by itself."""

from __future__ import annotations

import json

from dpsynth.auditing.made_up import SENTINEL
from dpsynth.auditing.movements import Verdicts
from dpsynth.auditing.recording import SEED, Outcome, saved
from dpsynth.generators.base import Generator
from dpsynth.generators.derived import with_constraints
from dpsynth.generators.fitted import FittedModel
from dpsynth.mechanisms import DpSgd, ExponentialMechanism
from dpsynth.privacy.accountant import price
from dpsynth.privacy.budget import Budget
from dpsynth.session import Plan, Replay

__all__ = ["billed", "differences", "quoted", "replayed"]

_ROWS = 40
_OTHER_QUESTIONS = ("ReplayError", "BudgetExceededError", "PrivacyError")
_NOT_PUBLIC = ("ledger",)  # the position in the ledger has a digest over times


def differences(base: Outcome, other: Outcome, table: str) -> Verdicts:
    """Where two runs that heard the same answers differ from outside."""
    where = f"on the table called {table!r}"
    if other.failure:
        check = "questions" if other.failure.startswith(_OTHER_QUESTIONS) else "runs"
        yield check, f"A run that heard the same answers ended otherwise {where}."
        return
    if _asked(base) != _asked(other):
        yield "questions", f"Mechanisms or their parameters are others {where}."
    if _sizes(base) != _sizes(other):
        yield "domain", f"Answers have other sizes {where}."
    if base.entries != other.entries:
        yield "artefacts", f"The ledger has other entries {where}."
    if _promise(base) != _promise(other):
        yield "artefacts", f"The guarantee is another one {where}."
    if base.spoken != other.spoken:
        yield "messages", f"Something else is printed, warned or logged {where}."
    yield from _models(base, other, where)


def _models(base: Outcome, other: Outcome, where: str) -> Verdicts:
    if base.fitted is None or other.fitted is None or base.guarantee is None:
        return
    one, two = base.fitted, other.fitted
    if round(one.model.total) != round(two.model.total):
        yield "rows", f"The default number of rows is another one {where}."
    if one.schema.to_json() != two.schema.to_json():
        yield "artefacts", f"The schema is another one {where}."
    if saved(one, base.guarantee) != saved(two, base.guarantee):
        yield "model", f"The model is another one {where}."
    elif not one.sample(_ROWS, rng=SEED).frame.equals(two.sample(_ROWS, rng=SEED).frame):
        yield "model", f"The model draws other rows {where}."


def replayed(generator: Generator, base: Outcome) -> Verdicts:
    """Whether a fit without any data gives the same model."""
    if base.transcript is None or base.fitted is None or base.guarantee is None:
        return
    held = with_constraints(generator, base.transcript.schema)
    again = held.fit(Replay(base.transcript), rng=SEED)
    if saved(FittedModel(model=again, guarantee=base.guarantee), base.guarantee) != saved(
        base.fitted, base.guarantee
    ):
        yield "replay", "A fit on the recorded answers, without data, gives another model."


def billed(base: Outcome, plan: Plan, budget: Budget) -> Verdicts:
    """Whether everything that was drawn is in the ledger, before it was drawn and at its price."""
    drawn = [entry["event"] for entry in base.entries if entry["kind"] == "draw"]
    if drawn != [measurement.event.to_json() for measurement in base.drawn]:
        yield "bill", "The events in the ledger are not those that were drawn."
    if not plan.adaptive and drawn != [event.to_json() for event in plan.events]:
        yield "bill", "The events in the ledger are not those of the plan."
    kinds = [entry["kind"] for entry in base.entries if entry["kind"] in ("reserve", "draw", "commit")]
    if kinds != ["reserve", *["draw"] * len(drawn), "commit"]:
        yield "order", "The ledger does not say: reserved, drawn, committed."
    committed = [entry.get("plan") for entry in base.entries if entry["kind"] == "reserve"]
    if committed != [plan.digest()]:
        yield "plan", "The ledger holds the digest of another plan."
    cost = price(plan.events, delta=budget.delta, adaptive=plan.adaptive, thorough=plan.thorough)
    promised = base.guarantee.epsilon if base.guarantee else 0.0
    if min(base.spent, promised) < cost.epsilon * (1 - 1e-12):
        yield "bill", "The account, or the guarantee, holds less than the events cost."
    yield from _paid_first(base)


def _paid_first(base: Outcome) -> Verdicts:
    """Each request for noise comes after the entry of its draw, and there is one run of it for each."""
    reserved, entered, words, answered = False, 0, 0, 0
    for what, count in base.log:
        if what == "reserve":
            reserved = True
        elif what == "draw":
            entered += 1
        elif what == "noise":
            if not reserved or entered != answered + 1:
                yield "order", "Noise is drawn before the ledger holds its draw."
                return
            words += count
        elif what == "answer":
            needed = _words_of(base, answered)
            if needed is not None and not needed <= words <= needed * 1.01 + 3:
                yield "draws", "More or less noise is drawn than one answer takes."
                return
            answered, words = answered + 1, 0
    if entered != answered:
        yield "bill", "The ledger holds another number of draws than there were answers."


def _words_of(base: Outcome, position: int) -> int | None:
    """How many words the noise of one answer takes; None where the rows have words too."""
    mechanism, measurement = base.mechanisms[position], base.drawn[position]
    if isinstance(mechanism, DpSgd):
        return None
    if isinstance(mechanism, ExponentialMechanism):
        return len(mechanism.score.cliques)
    return sum(values.size for values in measurement.values)


def quoted(outcome: Outcome) -> Verdicts:
    """Whether anything that the run shows holds a text that stands in private rows only."""
    promise = outcome.guarantee.to_json() if outcome.guarantee else {}
    shown = (outcome.spoken, outcome.failure, json.dumps(outcome.entries), json.dumps(promise))
    if any(SENTINEL in text for text in shown):
        yield "messages", "A text of a private row is shown."


def _asked(outcome: Outcome) -> list[str]:
    pairs = zip(outcome.mechanisms, outcome.drawn, strict=True)
    return [
        json.dumps([m.describe(), m.event().to_json(), d.event.to_json()], sort_keys=True) for m, d in pairs
    ]


def _sizes(outcome: Outcome) -> list[list[tuple[int, ...]]]:
    return [[values.shape for values in measurement.values] for measurement in outcome.drawn]


def _promise(outcome: Outcome) -> dict[str, object]:
    body = outcome.guarantee.to_json() if outcome.guarantee else {}
    return {name: value for name, value in body.items() if name not in _NOT_PUBLIC}
