"""How many reservations a second eight processes make in one ledger: python benchmarks/ledger.py [FOLDER].

Every reservation is synchronised to the disk of FOLDER, so that the disk decides.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dpsynth.ledger import Ledger

PROCESSES, EACH = 8, 250
WORKER = """
import sys
from dpsynth.ledger import Ledger, Spend

with Ledger.open(sys.argv[1], timeout=120) as ledger:
    account = ledger.account("benchmark", "one row")
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(int(sys.argv[2])):
        ledger.reserve(account, Spend(epsilon=0.001), method="none", plan_digest="none")
"""


def main(folder: str | None) -> None:
    """Print reservations for each second, and the time to verify them."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = Path(place) / "benchmark.ledger.db"
        command = [sys.executable, "-c", WORKER, str(path), str(EACH)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        workers = [subprocess.Popen(command, **pipes) for _ in range(PROCESSES)]
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
        print(f"{PROCESSES} processes: {PROCESSES * EACH / seconds:,.0f} reservations/s")
        rate = found.entries / verifying
        print(f"verify: {rate:,.0f} entries/s; sound: {found.ok}; failed workers: {len(failed)}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
