"""What a nested frontier costs in time, and how far its points are from fresh runs, on the Adult table.

    python benchmarks/nested.py [--epsilons 0.1 0.3 1 3 10] [--methods independent,mst,allpairs] [--fresh 3]

The points of the frontier are read back as models and scored as fresh runs are, on the same rows and cells.
Prints one Markdown table: the score of the nested point, the least and the largest of the fresh ones.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from dpsynth.datasets import adult, adult_schema
from dpsynth.generators.fitted import FittedModel
from dpsynth.ledger import Ledger
from dpsynth.tuning.nested import nested
from dpsynth.tuning.proxy import proxy
from dpsynth.tuning.scores import Scores

DELTA = 1e-9


def main() -> None:
    """Sweep, run afresh, compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--epsilons", type=float, nargs="+", default=[0.1, 0.3, 1.0, 3.0, 10.0])
    parser.add_argument("--methods", default="independent,mst,allpairs")
    parser.add_argument("--fresh", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    frame, schema = adult(), adult_schema()
    with tempfile.TemporaryDirectory() as place, Ledger.in_memory() as ledger:
        cpu, wall = time.process_time(), time.perf_counter()
        found = nested(
            frame,
            schema=schema,
            methods=options.methods,
            epsilons=options.epsilons,
            delta=DELTA,
            ledger=ledger,
            dataset="adult",
            folder=place,
            workers=options.workers,
        )
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        print(
            f"{len(found.points)} points, {cpu:.1f} s of processor, {wall:.1f} s: {found.cost}\n", flush=True
        )
        if options.fresh < 1:
            return
        scores = Scores.of(frame, schema)
        fresh = proxy(
            frame,
            schema,
            methods=options.methods,
            epsilons=options.epsilons,
            delta=DELTA,
            replicates=options.fresh,
            metric="pair_accuracy",
            workers=options.workers,
        )
        print("| method | epsilon | metric | nested | fresh | paid score |\n|---|---|---|---|---|---|")
        for point, own in zip(fresh.points, found.points, strict=True):
            path = Path(place) / "models" / f"{point.method}-{point.epsilon:g}.dps"
            utility = scores.utility(FittedModel.load(path).sample().frame)
            for metric, band in point.utility.items():
                paid = own.utility[metric].median
                print(
                    f"| {point.method} | {point.epsilon:g} | {metric} | {utility[metric]:.4f} "
                    f"| {band.low:.4f} to {band.high:.4f} | {paid:.4f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
