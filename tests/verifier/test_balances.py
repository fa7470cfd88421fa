"""Caps of a whole, of its parts and of periods, as one person may lose."""

from __future__ import annotations

from typing import Any

import pytest

from dpsynth.verifier.balances import fold
from dpsynth.verifier.book import Entry, LedgerError

TIME = "2026-11-26T00:00:00+00:00"


def entries(*bodies: dict[str, Any]) -> list[Entry]:
    first = {"kind": "genesis", "format": "dpsynth-ledger/1", "ledger": "a"}
    return [
        Entry(seq=seq, digest=str(seq), body={"time": TIME, **body})
        for seq, body in enumerate((first, *bodies))
    ]


def account(**more: Any) -> dict[str, Any]:
    return {"kind": "account", "dataset": "people", "unit": "one row", "rule": "basic", "cap": None, **more}


def cap(epsilon: int) -> dict[str, int]:
    return {"epsilon": epsilon, "delta": 0}


def reserve(of: str, epsilon: int, *, kind: str = "reserve", time: str = TIME, **more: Any) -> dict[str, Any]:
    words = {"method": "m", "plan": "p", "label": "", "source": "s", "reason": "r"}
    return {"kind": kind, "account": of, "spend": cap(epsilon), "time": time, **words, **more}


def part(name: str, **more: Any) -> dict[str, Any]:
    return {"kind": "part", "account": "1", "part": name, "rule": "basic", "cap": None, **more}


def period(of: str, name: str, epsilon: int) -> dict[str, Any]:
    return {"kind": "period", "account": of, "period": name, "rule": "basic", "cap": cap(epsilon)}


def division(*parts: str, by: str = "ward") -> dict[str, Any]:
    return {"kind": "division", "account": "1", "by": by, "parts": list(parts)}


def beyond(*bodies: dict[str, Any]) -> bool:
    """Whether the last entry, a reservation, is more than a cap allows."""
    return fold(entries(*bodies), watched=str(len(bodies))).beyond


@pytest.mark.parametrize(
    ("bodies", "over"),
    [
        ([account(cap=cap(10)), reserve("1", 4), reserve("1", 6)], False),
        ([account(cap=cap(10)), reserve("1", 4), reserve("1", 7)], True),
        ([account(cap=cap(10)), reserve("1", 4, kind="elsewhere"), reserve("1", 7)], True),
        (
            [account(cap=cap(10)), reserve("1", 4), {"kind": "release", "reservation": "2"}, reserve("1", 7)],
            False,
        ),
        ([account(cap=cap(10)), {"kind": "cap", "account": "1", "cap": cap(11)}, reserve("1", 11)], False),
        ([account(cap=cap(10)), {"kind": "cap", "account": "1", "cap": cap(9)}, reserve("1", 10)], True),
        ([account(cap=cap(10)), account(unit="other"), reserve("2", 9), reserve("1", 9)], False),
        # Parts of one division cost the largest of them, parts of two divisions add up.
        ([account(cap=cap(10)), division("a", "b"), part("a"), part("b"), reserve("3", 9), reserve("4", 9)], False),
        ([account(cap=cap(10)), division("a", "b"), part("a"), reserve("1", 2), reserve("3", 9)], True),
        (
            [
                account(cap=cap(10)), division("a"), division("b", by="year"), part("a"), part("b"),
                reserve("4", 5), reserve("5", 6),
            ],
            True,
        ),
        ([account(), division("a"), part("a", cap=cap(5)), reserve("3", 6)], True),
        ([account(), division("a"), part("a", cap=cap(5)), reserve("1", 6)], False),
        # Periods count what was spent within them.
        ([account(), period("1", "2026-11", 5), reserve("1", 4, time="2026-10-31T"), reserve("1", 5)], False),
        ([account(), period("1", "2026-11", 5), reserve("1", 4), reserve("1", 5)], True),
        ([account(), period("1", "2026-Q4", 5), reserve("1", 4, time="2026-10-31T"), reserve("1", 5)], True),
        ([account(), period("1", "2025", 5), reserve("1", 6)], False),
        ([account(), division("a"), part("a"), period("1", "2026", 5), reserve("3", 6)], True),
        ([account(), division("a"), part("a"), period("3", "2026", 5), reserve("1", 6)], False),
    ],
)  # fmt: skip
def test_caps_hold_for_one_person(bodies: list[dict[str, Any]], over: bool) -> None:
    assert beyond(*bodies) is over


@pytest.mark.parametrize(
    "bodies",
    [
        [account(), account()],
        [account(), part("a")],
        [account(), division("a"), division("a", by="year")],
        [account(), period("1", "2026", 5), reserve("2", 1)],
        [account(rule="zcdp", cap=cap(1))],
        [account(), {"kind": "cap", "account": "1", "cap": {"rho": 1}}],
        [account(), reserve("1", 1, spend={"epsilon": 1.5})],
        [account(), reserve("1", 1, spend={"gold": 1})],
        [account(), reserve("7", 1)],
        [{"kind": "genesis", "format": "dpsynth-ledger/1", "ledger": "b"}],
    ],
)
def test_entries_that_cannot_stand_there_are_refused(bodies: list[dict[str, Any]]) -> None:
    with pytest.raises(LedgerError, match="cannot stand there"):
        fold(entries(*bodies), watched="")
