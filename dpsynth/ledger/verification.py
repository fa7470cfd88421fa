"""Recompute a ledger from its first entry, and say what is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dpsynth.errors import LedgerCorruptError
from dpsynth.ledger.chain import BEFORE_FIRST, Entry, Head
from dpsynth.ledger.state import State


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """The result of recomputing a ledger from its first entry.

    Attributes:
        ok: Nothing is wrong.
        entries: How many entries are sound, counted from the first.
        first_bad_seq: The number of the first entry that is wrong or missing (0 if the tables themselves
            are wrong); None if `ok`.
        reason: What is wrong; empty if `ok`.
    """

    ok: bool
    entries: int
    first_bad_seq: int | None = None
    reason: str = ""


def verified(entries: Iterable[Entry], contains: Head | None = None) -> Verification:
    """Recompute chain, numbers, caps and the order of every run from all entries of a ledger.

    Args:
        entries: From the first one; reading them may raise `LedgerCorruptError`.
        contains: A head seen earlier that must still be there.
    """
    state, wanted = State(), contains
    try:
        for entry in entries:
            state.accept(entry)
            if wanted is not None and (entry.seq, entry.digest) == (wanted.seq, wanted.digest):
                wanted = None
        if state.head == BEFORE_FIRST:
            raise LedgerCorruptError("The ledger has no first entry.")
    except LedgerCorruptError as error:
        sound = state.head.seq + 1
        return Verification(ok=False, entries=sound, first_bad_seq=sound, reason=str(error))
    sound = state.head.seq + 1
    if wanted is not None:
        reason = missing(wanted, state.head)
        return Verification(ok=False, entries=sound, first_bad_seq=wanted.seq, reason=reason)
    return Verification(ok=True, entries=sound)


def missing(seen: Head, last: Head) -> str:
    """Why a head that was seen earlier is not in the chain that ends with `last`."""
    if seen.seq > last.seq:
        return (
            f"The ledger does not contain the head that was seen earlier: it ends with entry {last.seq} and "
            f"was seen at entry {seen.seq}. It was rolled back to an older copy, or cut off."
        )
    return (
        f"The ledger does not contain the head that was seen earlier: its entry {seen.seq} is another one. "
        "It was replaced, or is a copy of a ledger that was continued elsewhere (a fork)."
    )
