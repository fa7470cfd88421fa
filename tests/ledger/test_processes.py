"""Eight processes spend from one cap, half of them are killed: never a unit too much, nothing lost."""

from __future__ import annotations

import random  # noqa: TID251 - which process is killed is no secret
import subprocess
import sys
import time
from pathlib import Path

import pytest

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


def start(path: Path, name: str, program: str = WORKER) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, str(path), name]
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


PARTS = WORKER.replace(
    'account = ledger.account("people", "one row")',
    'whole = ledger.account("people", "one row")\n'
    "    part = sys.argv[2].split()[0]\n"
    '    account = whole if part == "all" else ledger.account("people", "one row", partition=part)',
)
SECONDS = 60


@pytest.mark.slow
def test_random_kills_for_a_minute(tmp_path: Path) -> None:
    """Workers on the whole and on two parts are killed after random numbers of answers and replaced.

    Whenever the cap is reached it is raised, so that it is reached again and again.
    """
    path, rng, cap = tmp_path / "l.db", random.Random(4), 13.0
    with Ledger.open(path) as ledger:
        whole = ledger.account("people", "one row", cap=Cap(epsilon=cap, delta=1e-3))
        ledger.divide(whole, by="hospital", parts=["north", "south"])
    names = ["all", "north", "south", "north", "south", "all", "north", "south"]
    workers = [start(path, names[i], PARTS) for i in range(8)]
    told: set[str] = set()
    killed = raised = 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        place = rng.randrange(8)
        lines = kill_after(workers[place], rng.randrange(1, 60))
        told |= {line for line in [*lines, *rest_of(workers[place])] if line.endswith("\n")}
        killed += 1
        if "done\n" in lines:
            with Ledger.open(path, timeout=60) as ledger:
                (statement, *_) = ledger.statement()
                assert statement.remaining is not None
                assert statement.spent.epsilon is not None
                assert statement.spent.epsilon <= cap
                if (statement.remaining.epsilon or 0.0) < 0.13:
                    cap += 13.0
                    ledger.set_cap(whole, Cap(epsilon=cap, delta=1e-3), reason="reached")
                    raised += 1
        workers[place] = start(path, names[place], PARTS)
    for worker in workers:
        worker.kill()
        told |= {line for line in rest_of(worker) if line.endswith("\n")}
    with Ledger.open(path) as ledger:
        found = ledger.verify()
        assert found.ok, found.reason
        statement, *parts = ledger.statement()
        on_all = sum(run.epsilon for run in statement.runs if run.partition is None)
        on_parts = [part.spent.epsilon or 0.0 for part in parts]
        assert statement.spent.epsilon == pytest.approx(on_all + max(on_parts))
        assert statement.spent.epsilon <= cap
        assert told <= {f"{entry.seq} {entry.digest}\n" for entry in ledger.entries()} | {"done\n"}
    assert killed > 10
    assert raised > 0
    print(f"{killed} kills, {len(statement.runs)} runs, cap reached {raised} times")
