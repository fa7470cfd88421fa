"""The numbers of a certificate, recomputed from its plan by the second accountant.

A claim stands if it is at least what the second accountant proves, up to the allowance of the theorem that
proves it. What cannot be recomputed here fails or is told as attested; nothing is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

from . import accounting
from .accounting import AccountingError
from .events import read
from .grouped import grouped, plan_digests
from .verdict import Statement, attested, failed, recomputed

__all__ = ["check_claims"]

Json: TypeAlias = "Mapping[str, Any]"
Events: TypeAlias = "Sequence[Json]"

_CLOSED, _NUMERIC = 1e-9, 2e-3
_LARGEST_ALLOWANCE = 0.01
_MOST_POINTS = 64
_LARGEST_COUNT = 10**12
_DISCOVERY = "discovery, then a generator"
_SELECTION = "the best of several runs"


def check_claims(certificate: Json) -> list[Statement]:
    """Statements on plan, events, epsilon, delta, mu, rho, advantage, curve and the list of accountants.

    Args:
        certificate: The predicate, of the right form.
    """
    plan, claim = certificate["plan"], certificate["claim"]
    counts = [part["times"] for part in (*plan["events"], *certificate["events"])]
    points = max(len(claim["epsilon_at"]), len(claim["curve"]))
    if max(counts) > _LARGEST_COUNT or points > _MOST_POINTS:
        return [
            failed(
                "claim", f"more than {_MOST_POINTS} points, or a step more than 1e12 times, are not checked"
            )
        ]
    events, adaptive = unfolded(plan["events"]), plan["adaptive"]
    parts: Sequence[tuple[str, Callable[[], Iterator[Statement]]]] = (
        ("plan", lambda: _plan(certificate)),
        ("events", lambda: _events(certificate)),
        ("claim: epsilon", lambda: _epsilons(claim, events, adaptive=adaptive)),
        ("claim: mu and rho", lambda: _parameters(claim, events, adaptive=adaptive)),
        ("claim: advantage", lambda: _advantage(claim, events, adaptive=adaptive)),
        ("claim: curve", lambda: _curve(claim, events, adaptive=adaptive)),
        ("accounting", lambda: _accounting(certificate)),
    )
    found: list[Statement] = []
    for subject, check in parts:
        try:
            found += check()
        except (AccountingError, ArithmeticError) as error:
            found.append(failed(subject, f"cannot be recomputed: {error}"))
    return found


def unfolded(paid: Events) -> list[Json]:
    """The events of a certificate, in the form that the accountant reads."""
    return [{"type": "repeated/1", "event": part["event"], "times": part["times"]} for part in paid]


def _plan(certificate: Json) -> Iterator[Statement]:
    plan = certificate["plan"]
    if plan["digest"] not in plan_digests(plan):
        yield failed("plan", "its digest is not that of its method and events")
    elif plan["method"] not in (certificate["generator"]["method"], _DISCOVERY) and not _selected(plan):
        yield failed("plan", "is for another method than the generator")
    else:
        yield recomputed("plan", "its digest is that of its method, mode and events")


def _selected(plan: Json) -> bool:
    """Whether the method was found by private selection, which is all that the plan pays for."""
    kinds = {part["event"]["type"] for part in plan["events"]}
    return plan["method"] == _SELECTION and kinds == {"repeat-select/1"}


def _events(certificate: Json) -> Iterator[Statement]:
    plan, events = certificate["plan"], certificate["events"]
    if not plan["adaptive"]:
        drawn = grouped((part["times"], part["event"]) for part in events)
        if drawn == grouped((part["times"], part["event"]) for part in plan["events"]):
            yield recomputed("events", "are exactly those of the plan, in order")
        else:
            yield failed("events", "are not those of the plan, which was fixed before the first draw")
        return
    delta = certificate["claim"]["delta"]
    whole = accounting.epsilon(unfolded(plan["events"]), delta, adaptive=True)
    own = accounting.epsilon(unfolded(events), delta, adaptive=True)
    if own.epsilon <= whole.epsilon * (1 + own.allowance):
        yield recomputed("events", "cost together no more than the whole that the plan allowed")
    else:
        yield failed("events", "cost together more than the whole that the plan allowed")


def _epsilons(claim: Json, events: Events, *, adaptive: bool) -> Iterator[Statement]:
    points = [
        ("claim: epsilon", claim),
        *(("claim: epsilon at another delta", p) for p in claim["epsilon_at"]),
    ]
    for subject, point in points:
        said, delta = point["epsilon"], point["delta"]
        own = accounting.epsilon(events, delta, adaptive=adaptive, enough=said)
        if said >= own.epsilon / (1 + own.allowance):
            yield recomputed(subject, f"{said:.6g} at delta {delta:.3g} is proved ({own.method})")
        else:
            more = f"but the events need {own.epsilon:.6g} ({own.method})"
            yield failed(subject, f"{said:.6g} at delta {delta:.3g} is claimed, {more}")


def _parameters(claim: Json, events: Events, *, adaptive: bool) -> Iterator[Statement]:
    if claim["mu"] is not None:
        own = accounting.mu(events, adaptive=adaptive)
        yield _at_least("claim: mu", claim["mu"], own, _CLOSED)
    if claim["rho"] is not None:
        yield _at_least("claim: rho", claim["rho"], _rho(events), _CLOSED)


def _rho(events: Events) -> float | None:
    run = read(events)
    others = run.total(lambda atom: atom.rho)
    if others is None or run.failure or not run.protected:
        return None
    return float(run.squared_mu / 2 + others)


def _advantage(claim: Json, events: Events, *, adaptive: bool) -> Iterator[Statement]:
    own = accounting.advantage(events, adaptive=adaptive, enough=claim["advantage"])
    yield _at_least("claim: advantage", claim["advantage"], own, _allowed(events, adaptive=adaptive))


def _curve(claim: Json, events: Events, *, adaptive: bool) -> Iterator[Statement]:
    allowed = _allowed(events, adaptive=adaptive)
    low = [
        rate
        for rate, said in ((p["false_positive_rate"], p["true_positive_rate"]) for p in claim["curve"])
        if said < accounting.power(events, rate, adaptive=adaptive, enough=said) / (1 + allowed)
    ]
    if low:
        rates = ", ".join(f"{rate:.3g}" for rate in low)
        yield failed(
            "claim: curve", f"an attack may do better than is claimed at false positive rates {rates}"
        )
    else:
        yield recomputed("claim: curve", "no attack does better than is claimed, at any point that is listed")


def _allowed(events: Events, *, adaptive: bool) -> float:
    return _NUMERIC if accounting.mu(events, adaptive=adaptive) is None else _CLOSED


def _at_least(subject: str, said: float, own: float | None, allowance: float) -> Statement:
    if own is None:
        return failed(subject, "no theorem here gives one for these steps")
    if said >= own / (1 + allowance):
        return recomputed(subject, f"{said:.6g} is proved")
    return failed(subject, f"{said:.6g} is claimed, but the events need {own:.6g}")


def _accounting(certificate: Json) -> Iterator[Statement]:
    claim, listed = certificate["claim"], certificate["accounting"]
    allowance = listed["allowance"]
    names = [accountant["name"] for accountant in listed["accountants"]]
    over = [
        accountant["name"]
        for accountant in listed["accountants"]
        if accountant["epsilon"] is not None
        and Fraction(accountant["epsilon"]) > Fraction(claim["epsilon"]) * (1 + Fraction(allowance))
    ]
    if allowance > _LARGEST_ALLOWANCE:
        yield failed("accounting", f"states an allowance above {_LARGEST_ALLOWANCE}")
    elif len(set(names)) < len(names):
        yield failed("accounting", "names one accountant twice")
    elif over:
        yield failed("accounting", f"lists more than the claim for: {', '.join(over)}")
    else:
        yield attested(
            "accounting", f"the signer ran {len(names)} accountants; none found more than the claim"
        )
