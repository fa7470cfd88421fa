"""The structural audit: does a run touch the rows through what it pays for, and through nothing else?

It proves no epsilon by statistics. It runs the real code, from a frame to a saved model, on made-up tables
that differ by one unit, and compares: what is asked, how far the exact answers move, how much noise is really
added, what the ledger says, and everything public that comes out. Known errors of private generators break
its checks (`tests/auditing/structural_mutants.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dpsynth.auditing.comparing import billed, differences, quoted, replayed
from dpsynth.auditing.evidence import Check, Claim, Evidence, configuration_digest
from dpsynth.auditing.made_up import Neighbours, grounds
from dpsynth.auditing.messages import provoked
from dpsynth.auditing.movements import Verdicts, choices, exact_everywhere, moved, noised, priced
from dpsynth.auditing.recording import Outcome, attempt
from dpsynth.auditing.training import trained
from dpsynth.errors import ConfigurationError
from dpsynth.generators.base import Generator, Plan
from dpsynth.generators.derived import with_constraints
from dpsynth.mechanisms import DpSgd, ExponentialMechanism
from dpsynth.privacy.accountant import price
from dpsynth.privacy.budget import Budget

__all__ = ["CHECKS", "audit_structure", "gathered", "guarded"]

CHECKS = {
    "plan": "Plans are functions of schema and budget, within the budget, and what the ledger commits.",
    "runs": "Whether a run ends does not depend on the rows.",
    "questions": "The same mechanisms with the same parameters are asked whatever the rows are.",
    "domain": "Answers cover the declared domain, whatever the rows hold.",
    "sensitivity": "No unit moves the exact answer to a query further than declared.",
    "selection": "No unit moves a score further than declared, and a choice weighs scores as stated.",
    "noise": "The noise that is added is that of the declared sensitivity and the price, on every number.",
    "batches": "Each row joins a batch of training by itself, at the rate that is paid.",
    "clipping": "No unit moves a sum of gradients further than the clip norm for each of its rows.",
    "draws": "Each answer takes the noise of one run, no matter what the rows are.",
    "order": "The price is reserved, and each draw is in the ledger, before its noise exists.",
    "bill": "Ledger, plan and answers hold the same events, at no less than their price.",
    "replay": "A fit on the recorded answers without data gives the same model.",
    "model": "The saved model is the same, byte by byte, where other rows gave the same answers.",
    "rows": "The default number of rows follows from the answers.",
    "artefacts": "Ledger, guarantee and schema are the same where other rows gave the same answers.",
    "messages": "No error, warning, log or progress tells a value or a number of rows.",
}
"""What is looked at, in words."""

_THREAT = (
    "An attacker reads all code and everything that a run gives out. Made-up tables that differ by one unit, "
    "odd ones among them, stand for all tables; noise comes from known words. Runs are whole runs that were "
    "compared. The audit looks for errors of structure and estimates no epsilon; an error that shows on no "
    "made-up table is not found."
)
_MOST_CHOICES = 2
_MOST_WORDS = 4
_DEFAULT = Budget(epsilon=1.0, delta=1e-6)


def audit_structure(generator: Generator, *, budget: Budget = _DEFAULT, seed: int = 5) -> Evidence:
    """Look for ways by which rows reach the outside of a run unpaid.

    Args:
        generator: The configured method. A method of training is run whole, several times.
        budget: Of each run; stated as epsilon and delta.
        seed: Of the made-up rows.

    Raises:
        ConfigurationError: The method takes none of the made-up tables, or the budget has no epsilon.
    """
    verdicts: list[tuple[str, str]] = []
    plans: list[Plan] = []
    runs = 0
    for ground in grounds(seed):
        base = attempt(generator, ground.schema, ground.tables["base"], budget)
        others = {
            name: attempt(generator, ground.schema, frame, budget, following=base.transcript)
            for name, frame in ground.telling.items()
        }
        runs += 1 + len(others)
        if _refused(base):  # as the schema demands, but then whatever the rows are
            same = all(other.failure == base.failure for other in others.values())
            verdicts += [] if same else [("runs", "A refusal depends on the rows.")]
            continue
        plans.append(with_constraints(generator, ground.schema).plan(ground.schema, budget))
        verdicts += guarded(_run(generator, ground, base, budget, plans[-1]))
        for name, other in others.items():
            verdicts += guarded(differences(base, other, name))
            verdicts += guarded(quoted(other))
    verdicts += guarded(provoked(grounds(seed)[0]))
    if not plans:
        raise ConfigurationError(f"The method {generator.name!r} takes none of the made-up tables.")
    return gathered(verdicts, generator, plans[0], budget, runs=runs)


def gathered(
    verdicts: Iterable[tuple[str, str]],
    generator: Generator,
    plan: Plan,
    budget: Budget,
    *,
    runs: int,
    looked_at: Mapping[str, str] | None = None,
) -> Evidence:
    """Verdicts as evidence: a check that nobody found broken has passed.

    Args:
        verdicts: Names of broken checks, and what is broken.
        generator: That was audited.
        plan: Of one of its runs.
        budget: Of each run.
        runs: How many were compared.
        looked_at: The checks, by name, in words; those of `CHECKS` by default.
    """
    found: dict[str, list[str]] = {}
    for name, broken in verdicts:
        found.setdefault(name, []).append(broken)
    cost = price(plan.events, delta=budget.delta, adaptive=plan.adaptive, thorough=plan.thorough)
    return Evidence(
        audit="structural/1",
        level="structural",
        method=generator.name,
        configuration=configuration_digest(generator),
        threat_model=_THREAT,
        claim=Claim(epsilon=budget.epsilon or cost.epsilon, delta=budget.delta, mu=cost.mu),
        runs=runs,
        checks=tuple(
            Check(name=name, passed=name not in found, detail=_detail(found.get(name, []), words))
            for name, words in (CHECKS if looked_at is None else looked_at).items()
        ),
    )


def _run(generator: Generator, ground: Neighbours, base: Outcome, budget: Budget, plan: Plan) -> Verdicts:
    """One recorded run by itself: its plan, its bill, its mechanisms on all neighbours."""
    if base.failure:
        yield "runs", "A run on a plain table fails."
        return
    yield from _planned(with_constraints(generator, ground.schema), ground, budget, plan)
    yield from billed(base, plan, budget)
    yield from quoted(base)
    yield from replayed(generator, base)
    for mechanism, measurement in zip(base.mechanisms, base.drawn, strict=True):
        yield from priced(mechanism, measurement)
    counted = [each for each in base.mechanisms if not isinstance(each, DpSgd)]
    answers = exact_everywhere(counted, ground)
    yield from moved(counted, answers, ground)
    yield from noised(counted, ground)
    chosen = [(i, each) for i, each in enumerate(counted) if isinstance(each, ExponentialMechanism)]
    for position, mechanism in chosen[:_MOST_CHOICES]:
        yield from choices(mechanism, answers["base"][position][0], ground)
    for training in [each for each in base.mechanisms if isinstance(each, DpSgd)][:1]:
        yield from trained(training, ground)


def _planned(generator: Generator, ground: Neighbours, budget: Budget, plan: Plan) -> Verdicts:
    again = generator.plan(ground.schema, budget)
    if again != plan or again.digest() != plan.digest():
        yield "plan", "Two plans for one schema and budget differ."
    cost = price(plan.events, delta=budget.delta, adaptive=plan.adaptive, thorough=plan.thorough)
    if budget.epsilon is not None and cost.epsilon > budget.epsilon:
        yield "plan", "A plan costs more than its budget."


def guarded(verdicts: Verdicts) -> list[tuple[str, str]]:
    """All of `verdicts`; what ends with an error on a made-up table is a finding too."""
    found: list[tuple[str, str]] = []
    try:
        found.extend(verdicts)
    except Exception as error:  # noqa: BLE001 - whatever breaks on a made-up table
        found.append(("runs", f"Looking at a made-up table ended with {type(error).__name__}."))
    return found


def _refused(outcome: Outcome) -> bool:
    """Whether the schema or the unit was refused before anything was reserved."""
    return outcome.failure.startswith("ConfigurationError") and not outcome.log


def _detail(broken: list[str], words: str) -> str:
    return " ".join(dict.fromkeys(broken[:_MOST_WORDS])) if broken else words
