"""Eight processes spend from one cap, half of them are killed: never a unit too much, nothing lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dpsynth.ledger import Cap, Ledger

WORKER = """
import sys
from dpsynth.errors import BudgetExceededError
from dpsynth.ledger import Ledger, Spend

spend = Spend(epsilon=0.13, delta=1e-9)
with Ledger.open(sys.argv[1], timeout=60) as ledger:
    account = ledger.account("people", "one row")
    while True:
        try:
            run = ledger.reserve(account, spend, method="m", plan_digest=sys.argv[2])
        except BudgetExceededError:
            break
        print(run.seq, run.digest, flush=True)
        receipt = ledger.draw(run, {"type": "gaussian/1", "mu": 0.1})
        print(receipt.seq, receipt.digest, flush=True)
        ledger.commit(run)
print("done", flush=True)
sys.stdin.readline()
"""


def start(path: Path, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER, str(path), name]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def kill_after(worker: subprocess.Popen[str], answers: int) -> list[str]:
    """Read so many answers, then kill the process wherever it is by then."""
    assert worker.stdout is not None
    lines: list[str] = []
    while len(lines) < answers and "done\n" not in lines:
        lines.append(worker.stdout.readline())
    worker.kill()
    return lines


def rest_of(worker: subprocess.Popen[str]) -> list[str]:
    assert worker.stdin is not None
    assert worker.stdout is not None
    with worker:
        worker.stdin.close()
        return worker.stdout.readlines()


def test_eight_processes_and_sigkill_never_overspend(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    with Ledger.open(path) as ledger:
        ledger.account("people", "one row", cap=Cap(epsilon=50.0, delta=1e-3))
    workers = [start(path, f"worker {i}") for i in range(8)]
    lines = [line for i, worker in enumerate(workers[:4]) for line in kill_after(worker, 2 + 3 * i)]
    for i, worker in enumerate(workers):
        lines += rest_of(worker)
        assert worker.returncode == (-9 if i < 4 else 0)
    with Ledger.open(path) as ledger:
        found = ledger.verify()
        assert found.ok, found.reason
        (statement,) = ledger.statement()
        assert len(statement.runs) == 384  # 384 * 0.13 = 49.92; one more would be 50.05
        assert statement.spent.epsilon == 49.92
        stored = {f"{entry.seq} {entry.digest}\n" for entry in ledger.entries()} | {"done\n"}
        told = {line for line in lines if line.endswith("\n")}
        assert told <= stored  # what a process was told is durable
        assert len(told) > 384
