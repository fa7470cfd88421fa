"""The durable, append-only, hash-chained record of what was spent on which data.

    with Ledger.open("spending.ledger.db") as ledger:
        account = ledger.account("patients", "adding or removing one row", cap=Cap(epsilon=3, delta=1e-6))
        reservation = ledger.reserve(account, Spend(epsilon=1, delta=1e-9), method="mst", plan_digest="...")
        receipt = ledger.draw(reservation, {"type": "gaussian/1", "mu": 0.2})  # durable: now draw the noise
        ledger.commit(reservation)

One table of entries is the whole truth; accounts and balances are recomputed from it. The ledger
knows nothing of mechanisms: amounts come in as numbers.
"""

from __future__ import annotations

from dpsynth.ledger.amounts import Amount, Cap, Spend
from dpsynth.ledger.chain import Entry, Head
from dpsynth.ledger.statement import AccountStatement, CapChange, StatementLine
from dpsynth.ledger.store import Ledger
from dpsynth.ledger.values import Account, Receipt, Reservation, Standing
from dpsynth.ledger.verification import Verification

__all__ = [
    "Account",
    "AccountStatement",
    "Amount",
    "Cap",
    "CapChange",
    "Entry",
    "Head",
    "Ledger",
    "Receipt",
    "Reservation",
    "Spend",
    "Standing",
    "StatementLine",
    "Verification",
]
