"""The deep methods beside the engine: on Adult, and on a table whose structure pairs cannot show.

    python benchmarks/deep.py --planted [--repeats 3] [--epsilons 1 3 10] [--methods allpairs hybrid ...]
    python benchmarks/deep.py --wide [--chart wide.svg] [...]
    python benchmarks/deep.py --data FOLDER --score SCORE.py [...]

The planted table has 12 binary columns, 50,000 rows; one column is the parity of two others, one that of
three, each wrong in 10 % of the rows. Shown are distances over all pairs, all triples, and the two planted
groups (a table without the parity is 0.4 away, a resample less than 0.01). `--wide` is a table of 104 columns
(see deep_wide.py). Medians over the repeats; each run is a process of its own, whose peak memory is shown.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from chart import lines
from deep_wide import KINDS, wide, wide_scores
from quality_cases import CASES, Table, load_score, scores

from dpsynth import Budget, Categorical, Ledger, Schema
from dpsynth.generators.registry import get
from dpsynth.release.pipeline import fit_table

METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "allpairs": ("allpairs", {}),
    "aim, triples": ("aim", {"degree": 3}),
    "dpvae": ("dpvae", {}),
    "dpvae, cold": ("dpvae", {"cold": True}),
    "dpgan": ("dpgan", {}),
    "dpgan, cold": ("dpgan", {"cold": True}),
    "hybrid": ("hybrid", {}),
}
DELTA = 1e-6
ROWS, COLUMNS, WRONG = 50_000, 12, 0.1
GROUPS = ((0, 1, 3), (4, 5, 6, 7))


def planted() -> Table:
    rng = np.random.default_rng(5)
    bits = rng.integers(0, 2, (ROWS, COLUMNS))
    for *parents, child in GROUPS:
        bits[:, child] = bits[:, parents].sum(axis=1) % 2 ^ (rng.random(ROWS) < WRONG)
    names = [f"b{i}" for i in range(COLUMNS)]
    columns = tuple(Categorical(name=name, categories=(0, 1), required=True) for name in names)
    return Table(real=pd.DataFrame(bits, columns=names), schema=Schema(name="planted", columns=columns))


def planted_scores(real: pd.DataFrame, synthetic: pd.DataFrame) -> dict[str, float]:
    left, right = real.to_numpy(), synthetic[list(real)].to_numpy()

    def distance(group: tuple[int, ...]) -> float:
        powers = 2 ** np.arange(len(group))
        shares = [
            np.bincount(t[:, group] @ powers, minlength=2 ** len(group)) / len(t) for t in (left, right)
        ]
        return float(np.abs(shares[0] - shares[1]).sum() / 2)

    def mean(size: int) -> float:
        return statistics.mean(distance(group) for group in itertools.combinations(range(COLUMNS), size))

    return {
        "tvd2": mean(2),
        "tvd3": mean(3),
        "parity of 2": distance(GROUPS[0]),
        "parity of 3": distance(GROUPS[1]),
    }


def one_run(
    name: str, options: dict[str, Any], table: Table, epsilon: float, seed: int
) -> tuple[pd.DataFrame, dict[str, float]]:
    generator = get(name, **options)
    start = time.perf_counter()
    with Ledger.in_memory() as ledger:
        fitted = fit_table(
            table.real,
            schema=table.schema,
            generator=generator,
            budget=Budget(epsilon=epsilon, delta=DELTA),
            ledger=ledger,
            dataset="deep",
            rng=seed,
        )
    between = time.perf_counter()
    frame = fitted.sample(len(table.real), rng=seed).frame
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return frame, {"fit": between - start, "sample": time.perf_counter() - between, "peak": peak}


def alone(*order: Any) -> tuple[pd.DataFrame, dict[str, float]]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(one_run, *order).result()


def report(
    args: argparse.Namespace,
    table: Table,
    options: dict[str, Any],
    found_in: Callable[[pd.DataFrame], dict[str, float]],
    shown: tuple[str, ...],
) -> dict[tuple[str, float], dict[str, float]]:
    headings = ("method", "epsilon", *shown, "fit, s", "sample, s", "MB")
    print(f"| {' | '.join(headings)} |\n|---|{'---:|' * (len(headings) - 1)}")
    answers = {}
    for epsilon, method in itertools.product(args.epsilons, args.methods):
        name, own = METHODS[method]
        rows = []
        for seed in range(args.repeats):
            frame, costs = alone(name, own | options, table, epsilon, seed)
            rows.append(found_in(frame) | costs)
        medians = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
        cells = [f"{medians[key]:.4f}" for key in shown]
        seconds = [f"{medians[key]:.1f}" for key in ("fit", "sample")]
        print(
            f"| {' | '.join((method, f'{epsilon:g}', *cells, *seconds))} | {medians['peak']:.0f} |",
            flush=True,
        )
        answers[method, epsilon] = medians
    return answers


def chart(answers: dict[tuple[str, float], dict[str, float]]) -> str:
    series: dict[str, list[tuple[float, float]]] = {}
    for (method, epsilon), medians in answers.items():
        for label, kinds in (("three columns", ("parity of 2", "condition")), ("four", ("parity of 3",))):
            value = statistics.mean(medians[kind] for kind in kinds)
            series.setdefault(f"{method}, {label}", []).append((epsilon, value))
    return lines(series, x="epsilon", y="distance of the planted tables")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--score", type=Path)
    parser.add_argument("--planted", action="store_true")
    parser.add_argument("--wide", action="store_true")
    parser.add_argument("--chart", type=Path, help="where --wide draws the planted errors, as SVG")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epsilons", type=float, nargs="*", default=[1.0, 10.0])
    parser.add_argument("--methods", nargs="*", choices=list(METHODS), default=list(METHODS))
    args = parser.parse_args()
    if args.planted:
        table = planted()
        shown = ("tvd2", "tvd3", "parity of 2", "parity of 3")
        report(args, table, {}, lambda frame: planted_scores(table.real, frame), shown)
    elif args.wide:
        table = wide()
        shown = ("tvd2", *KINDS, "planted")
        answers = report(args, table, {}, lambda frame: wide_scores(table.real, frame), shown)
        if args.chart:
            args.chart.write_text(chart(answers))
    elif args.data is None or args.score is None:
        raise SystemExit(
            "deep: needs --planted, --wide, or --data FOLDER (benchmark tables) and --score SCORE.py."
        )
    else:
        yardstick, case = load_score(args.score), CASES["adult"]
        adult = case.read(args.data)
        report(
            args,
            adult,
            {"target": case.target},
            lambda frame: scores(yardstick, case, adult, frame),
            ("tvd1", "tvd2", "tvd3", "auc_lr", "auc_hgb"),
        )


if __name__ == "__main__":
    main()
