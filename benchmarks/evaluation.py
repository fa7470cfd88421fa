"""How long a report takes, and what it says of Adult.

    python benchmarks/evaluation.py --data FOLDER [--epsilon 1] [--method auto] [--out FOLDER]

Real rows are the training split of Adult, the holdout is its test split, and the synthetic table has as many
rows as the real one. Shown are seconds and peak memory of the full and the quick mode, and all results.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

from quality_cases import CASES

from dpsynth import Budget, Ledger
from dpsynth.evaluation import evaluate
from dpsynth.evaluation.report import release_card
from dpsynth.generators.registry import get
from dpsynth.release.pipeline import fit_table

DELTA = 1e-6
PROTECTED = ("sex", "race")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--epsilon", type=float, default=1.0)
    parser.add_argument("--method", default="auto")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if args.data is None:
        raise SystemExit("evaluation: needs --data FOLDER (benchmark tables).")
    case = CASES["adult"]
    table = case.read(args.data)
    with Ledger.in_memory() as ledger:
        fitted = fit_table(
            table.real,
            schema=table.schema,
            generator=get(args.method, target=case.target),
            budget=Budget(epsilon=args.epsilon, delta=DELTA),
            ledger=ledger,
            dataset="adult",
            rng=0,
        )
    synthetic = fitted.sample(len(table.real), rng=0).frame
    for quick in (True, False):
        start = time.perf_counter()
        report = evaluate(
            table.real,
            synthetic,
            table.schema,
            holdout=table.test,
            target=case.target,
            protected=PROTECTED,
            sensitive=("marital-status",),
            guarantee=fitted.guarantee,
            transcript=fitted.transcript,
            quick=quick,
        )
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        print(
            f"{'quick' if quick else 'full'}: {seconds:.1f} s, peak of the process {peak:,.0f} MB", flush=True
        )
    print(report.evaluation.to_frame().drop(columns="note").to_string(index=False))
    if args.out is not None:
        page = report.save(args.out)
        release_card(fitted.guarantee, report.evaluation.publishable(), args.out / "release-card.html")
        print(f"{page.stat().st_size / 1000:.0f} kB of page")


if __name__ == "__main__":
    main()
