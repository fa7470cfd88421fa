"""Whether a ledger paid for what a certificate claims: its entries, its reservation, its draws."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from .balances import Reserved, State, fold
from .book import Entry, LedgerError, read
from .grouped import grouped
from .verdict import Statement, failed, recomputed

__all__ = ["check_ledger"]

SCALES = {"epsilon": 10**9, "delta": 10**18, "rho": 10**12}


def check_ledger(certificate: Mapping[str, Any], path: str | Path) -> list[Statement]:
    """Statements on what a ledger says of the run of a certificate.

    Args:
        certificate: The predicate, of the right form.
        path: The ledger, or an export of it.
    """
    place = certificate["ledger"]
    try:
        entries = read(path)
        state = fold(entries, watched=place["reserved"]["digest"])
    except LedgerError as error:
        return [failed("ledger: chain", str(error))]
    found = [recomputed("ledger: chain", "each entry follows from the one before it")]
    if state.name != place["ledger"]:
        return [*found, failed("ledger: place", "this is another ledger than the certificate names")]
    problem = _absent(entries, place)
    run = state.runs.get(place["reserved"]["digest"])
    if problem or run is None or run.seq != place["reserved"]["sequence"]:
        return [*found, failed("ledger: place", problem or "the entry that reserved is no reservation")]
    found.append(recomputed("ledger: place", "holds every entry that the certificate names, in its place"))
    return [
        *found,
        *_reservation(certificate, run),
        *_closing(certificate, run),
        *_account(certificate, state, run),
    ]


def _absent(entries: Sequence[Entry], place: Mapping[str, Any]) -> str:
    """Why the entries of the certificate are not in the ledger; empty if they are."""
    before, reserved, after = (place[name] for name in ("before", "reserved", "after"))
    if not 0 <= before["sequence"] == reserved["sequence"] - 1 < after["sequence"]:
        return "the entries that the certificate names are not in order"
    if after["sequence"] >= len(entries):
        return (
            "the ledger no longer holds the entry that the certificate saw last: it was cut off or is an "
            "older copy"
        )
    for name in ("before", "reserved", "after"):
        if entries[place[name]["sequence"]].digest != place[name]["digest"]:
            return f"the ledger holds another entry than the one {_SEEN[name]}: it was rewritten"
    return ""


_SEEN = {
    "before": "that the certificate saw before its run",
    "reserved": "that reserved for it",
    "after": "that the certificate saw last",
}


def _reservation(certificate: Mapping[str, Any], run: Reserved) -> Iterator[Statement]:
    plan, claim = certificate["plan"], certificate["claim"]
    if (run.plan, run.method) != (plan["digest"], plan["method"]):
        yield failed("ledger: reservation", "was made for another plan or method than the certificate states")
        return
    allowance = Fraction(certificate["accounting"]["allowance"])
    short = [
        name
        for name, scale in SCALES.items()
        if claim.get(name) is not None
        and (name != "rho" or name in run.spend)
        and run.spend.get(name, 0) < math.floor(_exact(claim[name]) * scale / (1 + allowance))
    ]
    if short:
        yield failed("ledger: reservation", f"reserved less than the claim: {', '.join(short)}")
    else:
        yield recomputed("ledger: reservation", "covers the claim, for the plan and the method stated")


def _closing(certificate: Mapping[str, Any], run: Reserved) -> Iterator[Statement]:
    last = certificate["ledger"]["after"]["sequence"]
    if run.status != "committed" or run.closed is None:
        yield failed(
            "ledger: draws", f"the run is not complete in the ledger: its reservation is {run.status}"
        )
        return
    if run.closed > last:
        yield failed(
            "ledger: draws", "the run was completed only after the entry that the certificate saw last"
        )
        return
    if grouped((1, event) for _, event in run.draws) != grouped(
        (e["times"], e["event"]) for e in certificate["events"]
    ):
        yield failed("ledger: draws", "the ledger holds other draws than the certificate lists")
        return
    yield recomputed(
        "ledger: draws", "are the events of the certificate, one by one, and the run is complete"
    )


def _account(certificate: Mapping[str, Any], state: State, run: Reserved) -> Iterator[Statement]:
    account, unit = run.account, certificate["claim"]["unit"]["words"]
    if account.dataset != certificate["ledger"]["account"]:
        yield failed("ledger: account", "another account paid than the certificate names")
    elif account.unit != unit:
        yield failed("ledger: account", "the account that paid is for another unit of privacy")
    elif state.beyond:
        yield failed("ledger: account", "with this run the account had spent more than its cap")
    else:
        yield recomputed("ledger: account", "the account named paid, for the unit stated and within its caps")


def _exact(value: float) -> Fraction:
    """The number that the shortest decimal names, as the ledger reads amounts."""
    return Fraction(repr(float(value)))
