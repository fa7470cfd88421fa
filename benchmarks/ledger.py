"""How many reservations a second eight processes make in one ledger: python benchmarks/ledger.py [FOLDER].

Every reservation is synchronised to the disk of FOLDER, so that the disk decides. Once on an account
without limits, once on eight parts of a dataset, with caps for the part, the whole and the year.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from dpsynth.ledger import Account, Cap, Ledger

PROCESSES, EACH = 8, 250
WORKER = """
import sys
from dpsynth.ledger import Ledger, Spend

with Ledger.open(sys.argv[1], timeout=120) as ledger:
    account = ledger.account("benchmark", "one row", partition=sys.argv[3] or None)
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(int(sys.argv[2])):
        ledger.reserve(account, Spend(epsilon=0.001), method="none", plan_digest="none")
"""


def main(folder: str | None) -> None:
    """Print reservations for each second, and the time to verify them."""
    for divided in (False, True):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            measure(Path(place) / "benchmark.ledger.db", divided=divided)


def measure(path: Path, *, divided: bool) -> None:
    """All processes at once on one ledger."""
    parts = [str(number) for number in range(PROCESSES)] if divided else [""] * PROCESSES
    with Ledger.open(path) as ledger:
        whole = ledger.account("benchmark", "one row")
        if divided:
            limit(ledger, whole, parts)
    command = [sys.executable, "-c", WORKER, str(path), str(EACH)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers = [subprocess.Popen([*command, part], **pipes) for part in parts]
    for worker in workers:
        worker.stdout.readline()
    start = time.perf_counter()
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    failed = [worker for worker in workers if worker.wait() != 0]
    seconds = time.perf_counter() - start
    with Ledger.open(path) as ledger:
        start = time.perf_counter()
        found = ledger.verify()
        verifying = time.perf_counter() - start
    what = "one for each part, three caps" if divided else "no cap"
    print(f"{PROCESSES} processes, {what}: {PROCESSES * EACH / seconds:,.0f} reservations/s")
    rate = found.entries / verifying
    print(f"verify: {rate:,.0f} entries/s; sound: {found.ok}; failed workers: {len(failed)}")


def limit(ledger: Ledger, whole: Account, parts: list[str]) -> None:
    """A cap at every level, far away."""
    cap = Cap(epsilon=1000.0, delta=1e-6)
    ledger.set_cap(whole, cap, reason="benchmark")
    ledger.divide(whole, by="number", parts=parts)
    for part in parts:
        ledger.account("benchmark", "one row", partition=part, cap=cap)
    ledger.account("benchmark", "one row", period=f"{datetime.now(UTC):%Y}", cap=cap)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
