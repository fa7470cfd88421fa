"""What audits of whole runs find with real sessions and real noise: how close the bound comes to the claim.

python benchmarks/audits.py [--runs 4000] [--canaries 2000] [method ...]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dpsynth.auditing import Evidence
from dpsynth.auditing.canaries import audit_canaries
from dpsynth.auditing.end_to_end import audit_runs
from dpsynth.generators.deep import Schedule
from dpsynth.generators.pretraining import Pretraining
from dpsynth.generators.registry import get
from dpsynth.privacy.budget import Budget

COUNTS = ("independent", "mst", "aim", "privbayes", "allpairs")
SCHEDULE = Schedule(rounds=4, steps=1, sampling_rate=1.0, thorough=False, public_weight=0.0, clip=0.05)
SMALL = {"hidden": (16,), "latent": 3, "points": 256, "pretraining": Pretraining(rows=2_000, epochs=3)}
TRAINED = {
    "dpgan": {**SMALL, "critic_hidden": (16,), "generator_steps": 3},
    "dpvae": SMALL,
    "hybrid": {"hidden": (16,), "public_rows": 500},
}


def runs_of(method: str, runs: int) -> Evidence:
    return audit_runs(get(method), budget=Budget(epsilon=1.0, delta=1e-2), runs=runs)


def canaries_of(method: str, canaries: int) -> Evidence:
    generator = get(method, schedule=SCHEDULE, training_share=0.8, **TRAINED[method])
    return audit_canaries(generator, budget=Budget(epsilon=4.0, delta=1e-5), canaries=canaries)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("methods", nargs="*", default=[*COUNTS, *TRAINED])
    parser.add_argument("--runs", type=int, default=4000)
    parser.add_argument("--canaries", type=int, default=2000)
    parser.add_argument("--data", help="not used: tables are made up")
    parser.add_argument("--score", help="not used")
    asked = parser.parse_args()
    heads = (
        "method",
        "runs",
        "mu",
        "at least",
        "share",
        "ceiling",
        "epsilon",
        "at least",
        "ceiling",
        "CPU s",
    )
    print("| " + " | ".join([*heads, "verdict"]) + " |")
    print("|---" + "|---:" * (len(heads) - 1) + "|---|")
    for method in asked.methods:
        start = time.process_time()
        found = runs_of(method, asked.runs) if method in COUNTS else canaries_of(method, asked.canaries)
        seconds = time.process_time() - start
        cells = [method, str(found.runs), *in_mu(found)]
        cells += [f"{value:.3f}" for value in (found.claim.epsilon, found.lower_bound, found.ceiling)]
        print("| " + " | ".join([*cells, f"{seconds:.0f}"]) + f" | {found.verdict} |", flush=True)


def in_mu(found: Evidence) -> list[str]:
    if found.claim.mu is None or found.lower_bound_mu is None or found.ceiling_mu is None:
        return ["-"] * 4
    numbers = (
        found.claim.mu,
        found.lower_bound_mu,
        found.lower_bound_mu / found.claim.mu,
        found.ceiling_mu,
    )
    return [f"{number:.3f}" for number in numbers]


if __name__ == "__main__":
    main()
