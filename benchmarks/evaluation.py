"""How long a report takes, and what it says of Adult.

    python benchmarks/evaluation.py --data FOLDER [--epsilon 1] [--method auto] [--out FOLDER]

Real rows are the training split of Adult, the holdout is its test split, and the synthetic table has as many
rows as the real one. Shown are seconds and peak memory of the quick and the full mode (the quick one comes
first and pays for the imports), seconds of exact matches and nearest neighbours alone among all real and
synthetic rows, the size of the pages of a table of 50 columns, and all results.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from quality_cases import CASES

from dpsynth import Budget, Categorical, Integer, Ledger, Schema
from dpsynth.evaluation import evaluate
from dpsynth.evaluation.matches import share_of_matches
from dpsynth.evaluation.nearest import closest, levels
from dpsynth.evaluation.report import release_card
from dpsynth.evaluation.tables import Tables
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
        start, begun = time.perf_counter(), time.process_time()
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
        seconds, work = time.perf_counter() - start, time.process_time() - begun
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        print(
            f"{'quick' if quick else 'full'}: {seconds:.1f} s ({work:.1f} s of work), peak {peak:,.0f} MB",
            flush=True,
        )
    copies(table.real, synthetic, table.schema)
    pages()
    print(report.evaluation.to_frame().drop(columns="note").to_string(index=False))
    if args.out is not None:
        page = report.save(args.out)
        release_card(fitted.guarantee, report.evaluation.publishable(), args.out / "release-card.html")
        print(f"{page.stat().st_size / 1000:.0f} kB of page")


def copies(real: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema) -> None:
    """Seconds of what looks for copies, all real rows against all synthetic ones."""
    tables = Tables.read(real, synthetic, schema)
    marks = [(time.perf_counter(), time.process_time())]
    equal = share_of_matches(tables.synthetic, tables.real)
    marks.append((time.perf_counter(), time.process_time()))
    near = closest(*levels(tables, [tables.synthetic, tables.real], ranked=[tables.real]))[0]
    marks.append((time.perf_counter(), time.process_time()))
    (matching, matching_work), (nearing, nearing_work) = (
        (end[0] - start[0], end[1] - start[1]) for start, end in itertools.pairwise(marks)
    )
    print(
        f"{len(synthetic):,} x {len(real):,} rows: exact matches {matching:.1f} s "
        f"({matching_work:.1f} s of work, {equal:.1%} equal), nearest neighbours {nearing:.1f} s "
        f"({nearing_work:.1f} s of work, {(near == 0).mean():.1%} at distance 0)",
        flush=True,
    )


def pages(columns: int = 50, rows: int = 2_000) -> None:
    """Bytes of the report for the data holder and of the release card for a table of many columns."""
    rng = np.random.default_rng(0)
    letters = tuple("abcdefgh")
    schema = Schema(
        name="wide",
        columns=tuple(
            Integer(name=f"number {i}", minimum=0, maximum=99)
            if i % 2
            else Categorical(name=f"category {i}", categories=letters)
            for i in range(columns)
        ),
    )

    def drawn() -> pd.DataFrame:
        common = rng.integers(0, 8, rows)
        mixed = [np.where(rng.random(rows) < 0.3, common, rng.integers(0, 8, rows)) for _ in range(columns)]
        return pd.DataFrame(
            {
                column.name: one * 12 if i % 2 else np.array(letters, object)[one]
                for i, (column, one) in enumerate(zip(schema.columns, mixed, strict=True))
            }
        )

    real = drawn()
    with Ledger.in_memory() as ledger:
        fitted = fit_table(
            real,
            schema=schema,
            generator=get("auto"),
            budget=Budget(epsilon=1.0, delta=DELTA),
            ledger=ledger,
            dataset="wide",
            rng=0,
        )
    report = evaluate(
        real,
        fitted.sample(rows, rng=0).frame,
        schema,
        holdout=drawn(),
        target="category 0",
        protected=("category 2", "number 1"),
        sensitive=("category 4",),
        guarantee=fitted.guarantee,
        transcript=fitted.transcript,
        quick=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        page = report.save(folder).stat().st_size
    card = len(release_card(fitted.guarantee, report.evaluation.publishable()).encode())
    print(f"{columns} columns: {page / 1000:.0f} kB of report, {card / 1000:.0f} kB of card", flush=True)


if __name__ == "__main__":
    main()
