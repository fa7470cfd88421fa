"""A process that starts runs in children of its own and lets them die: `python mortal.py`, one job a line.

A job names a folder (with `people.parquet` and `schema.json`), a method, and where the child kills itself with
SIGKILL: [owner, function, number of the call, "before" or "after"]. The answer is the child's exit status. A
child that lives writes `transcript.zip` and `outcome.json`.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from brief import brief

from dpsynth.errors import DpsynthError
from dpsynth.ledger import Ledger
from dpsynth.privacy.budget import Budget
from dpsynth.schema.schema import Schema
from dpsynth.session import PrivateTable, Replay, Session

BUDGET = Budget(epsilon=4.0, delta=1e-6)
SEED = 5


def die_at(owner: str, name: str, call: int, when: str) -> None:
    """Make call number `call` of a function the last thing that this process does."""
    module, _, kind = owner.partition(":")
    holder: Any = importlib.import_module(module)
    holder = getattr(holder, kind) if kind else holder
    original, calls = getattr(holder, name), [0]

    def deadly(*args: Any, **more: Any) -> Any:
        calls[0] += 1
        if (calls[0], when) == (call, "before"):
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **more)
        if calls[0] == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(holder, name, deadly)


def equal(left: Any, right: Any) -> bool:
    """Whether two models are the same to the byte."""
    (head, arrays), (other, others) = left.state(), right.state()
    return (
        json.dumps(head, sort_keys=True) == json.dumps(other, sort_keys=True)
        and arrays.keys() == others.keys()
        and all(np.asarray(arrays[k]).tobytes() == np.asarray(others[k]).tobytes() for k in arrays)
    )


def small(method: str) -> Any:
    """A small configuration; `hybrid` without its search for triples, which asks two questions more."""
    found = brief(method)
    return replace(found, triples=0) if method == "hybrid" else found


def live(folder: Path, method: str) -> None:
    """One process of a run."""
    schema, generator = Schema.load(folder / "schema.json"), small(method)
    table = PrivateTable.load(folder / "people.parquet", schema)
    with Ledger.open(folder / "ledger.db") as ledger:
        session = Session.open(table, budget=BUDGET, ledger=ledger, dataset="people")
        try:
            model = session.run(generator, rng=SEED, checkpoint=folder / "checkpoint")
        except DpsynthError as error:
            outcome: dict[str, Any] = {"refused": str(error)}
        else:
            session.transcript.save(folder / "transcript.zip")
            replayed = generator.fit(Replay(session.transcript), rng=SEED)
            outcome = {
                "labels": session.guarantee().labels,
                "epsilon": session.guarantee().epsilon,
                "holds": session.guarantee().holds(),
                "equal": equal(model, replayed),
            }
    (folder / "outcome.json").write_text(json.dumps(outcome))


def main() -> None:
    """Answer jobs until there are no more."""
    for line in sys.stdin:
        job = json.loads(line)
        # Once here, so that no child imports torch or looks for a scale.
        small(job["method"]).plan(Schema.load(Path(job["folder"]) / "schema.json"), BUDGET)
        child = os.fork()
        if child == 0:
            for place in job["die"]:
                die_at(*place)
            live(Path(job["folder"]), job["method"])
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
