"""What goes out of a ledger and comes in: signed heads, exports without a database, spending elsewhere.

Nothing here enforces a budget, so that nothing here belongs to the trusted base: the ledger itself checks
every entry that it is given.
"""

from __future__ import annotations

from dpsynth.bookkeeping.elsewhere import read_spent_budget, spend_of_accountant
from dpsynth.bookkeeping.heads import SignedHead, absent, check_head, read_head, sign_head
from dpsynth.bookkeeping.lines import Export, read_lines, verify_lines, write_lines

__all__ = [
    "Export",
    "SignedHead",
    "absent",
    "check_head",
    "read_head",
    "read_lines",
    "read_spent_budget",
    "sign_head",
    "spend_of_accountant",
    "verify_lines",
    "write_lines",
]
