"""Counting, sampling and noise, each beside plain numpy in the same go. Needs no data files.

    python benchmarks/kernels.py [--rows 1000000] [--columns 81] [--repeats 3]

The tables are random: most columns have 2 to 20 codes, every fourteenth about 100, as in a census. Each run
is a process of its own, so that its peak memory is its own, and ours and numpy's take turns. What is timed
begins with codes in memory and does nothing twice: the table has counted nothing yet. Kernels are compiled
before. Prints one Markdown table of medians; read the ratios, which depend less on the machine and its load.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

SMALL_ROWS, SMALL_SIZES = 39_073, (85, 9, 100, 16, 7, 15, 6, 5, 2, 100, 100, 99, 42, 2)
WARM_ROWS = 150_000  # enough for the compiled forms to be taken
SCALE = 100.0
MBI = {"count": 51.7, "sample": 99.5}
Work = Callable[[], object]


def census_sizes(columns: int) -> tuple[int, ...]:
    rng = np.random.default_rng(1)
    return tuple(int(rng.integers(90, 110) if i % 14 == 7 else rng.integers(2, 21)) for i in range(columns))


def random_codes(sizes: tuple[int, ...], rows: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    codes = {}
    for i, size in enumerate(sizes):
        bounds = np.cumsum(rng.dirichlet(np.full(size, 0.5)))[:-1]
        codes[f"x{i}"] = np.searchsorted(bounds, rng.random(rows, np.float32)).astype(np.uint8)
    return codes


def our_counts(sizes: tuple[int, ...], codes: dict[str, np.ndarray], rows: int) -> Work:
    from dpsynth.mechanisms import Marginal
    from dpsynth.mechanisms.encoded import EncodedTable
    from dpsynth.schema.layout import Domain

    table = EncodedTable(Domain(columns=tuple(codes), sizes=sizes), codes, rows=rows)
    queries = [Marginal(columns=pair) for pair in itertools.combinations(codes, 2)]
    return lambda: table.counts_of([query.counted for query in queries])


def numpy_counts(sizes: tuple[int, ...], codes: dict[str, np.ndarray], rows: int) -> Work:  # noqa: ARG001
    def count() -> list[np.ndarray]:
        return [
            np.bincount(codes[a].astype(np.int64) * wide + codes[b], minlength=tall * wide)
            for (a, tall), (b, wide) in itertools.combinations(zip(codes, sizes, strict=True), 2)
        ]

    return count


def random_tree(sizes: tuple[int, ...]) -> tuple[Any, list[np.ndarray]]:
    from dpsynth.graphical.calibration import calibrated
    from dpsynth.graphical.junction_tree import junction_tree

    rng = np.random.default_rng(3)
    tree = junction_tree(sizes, [(int(rng.integers(0, i)), i) for i in range(1, len(sizes))])
    return tree, calibrated(tree, {c: rng.gamma(0.5, size=tree.shape(c)) for c in tree.cliques}, 1.0)


def our_rows(sizes: tuple[int, ...], rows: int) -> Work:
    from dpsynth.graphical.clique_sampling import sample_cliques

    tree, beliefs = random_tree(sizes)
    return lambda: sample_cliques(tree, beliefs, rows, np.random.default_rng())


def numpy_rows(sizes: tuple[int, ...], rows: int) -> Work:
    """Inversion of the conditional distribution, row by row: multinomial noise on every count."""
    from dpsynth.graphical.calibration import sum_to

    tree, beliefs = random_tree(sizes)

    def sample() -> np.ndarray:
        rng = np.random.default_rng()
        drawn = np.zeros((rows, len(sizes)), np.int32)
        for clique, separator, belief in zip(tree.cliques, tree.separators, beliefs, strict=True):
            fresh = [node for node in clique if node not in separator]
            shape = tree.shape(fresh)
            table = sum_to(belief, clique, (*separator, *fresh)).reshape(-1, math.prod(shape))
            groups = np.zeros(rows, np.int64)
            for node in separator:
                groups = groups * sizes[node] + drawn[:, node]
            bounds = np.cumsum(table, axis=1)
            bounds = bounds / bounds[:, -1:] + np.arange(len(table))[:, None]
            cells = np.searchsorted(bounds.ravel(), groups + rng.random(rows)) - groups * table.shape[1]
            for node, codes in zip(fresh, np.unravel_index(cells, shape), strict=True):
                drawn[:, node] = codes
        return drawn

    return sample


def our_noise(draws: int) -> Work:
    from dpsynth.mechanisms._noise import rounded_gaussian

    return lambda: rounded_gaussian(SCALE, draws)


def numpy_noise(draws: int) -> Work:
    return lambda: np.rint(np.random.default_rng().normal(0, SCALE, draws)).astype(np.int64)


def work(case: str, ours: bool, rows: int, columns: int) -> Work:
    if case == "noise":
        return (our_noise if ours else numpy_noise)(rows)
    if case == "sample":
        return (our_rows if ours else numpy_rows)(census_sizes(columns), rows)
    sizes = SMALL_SIZES if case == "small" else census_sizes(columns)
    return (our_counts if ours else numpy_counts)(sizes, random_codes(sizes, rows), rows)


def one_run(case: str, who: str, rows: int, columns: int) -> None:
    """Child process: seconds, and megabytes at the peak and before."""
    import resource

    def megabytes() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    ours = who == "ours"
    work(case, ours, min(rows, WARM_ROWS), columns)()
    task, before = work(case, ours, rows, columns), megabytes()
    start = time.perf_counter()
    task()
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "peak": megabytes(), "more": megabytes() - before}))


def medians(case: str, rows: int, columns: int, repeats: int) -> dict[str, dict[str, float]]:
    runs: dict[str, list[dict[str, float]]] = {"ours": [], "numpy": []}
    for _ in range(repeats):
        for who, found in runs.items():
            child = [sys.executable, __file__, "--child", case, who, str(rows), str(columns)]
            done = subprocess.run(child, check=True, capture_output=True, text=True)
            found.append(json.loads(done.stdout.splitlines()[-1]))
    return {
        who: {key: statistics.median(run[key] for run in found) for key in found[0]}
        for who, found in runs.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=81)
    parser.add_argument("--draws", type=int, default=2**22)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--child", nargs=4)
    args = parser.parse_known_args()[0]
    if args.child:
        case, who, rows, columns = args.child
        one_run(case, who, int(rows), int(columns))
        return
    census, pairs = f"{args.rows:,} × {args.columns}", math.comb(args.columns, 2)
    cases = {
        "count": (f"count all {pairs:,} pairs, {census}", args.rows),
        "small": (f"count all 91 pairs, {SMALL_ROWS:,} × 14", SMALL_ROWS),
        "sample": (f"sample {census}", args.rows),
        "noise": (f"draw {args.draws:,} times exact Gaussian noise", args.draws),
    }
    print(
        "| what | dpsynth, s | numpy, s | numpy / dpsynth | million/s | peak MB | peak MB of numpy | mbi, s |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for case, (label, rows) in cases.items():
        found = medians(case, rows, args.columns, args.repeats)
        ours, plain = found["ours"], found["numpy"]
        cells = rows * {"count": pairs, "small": 91, "sample": args.columns, "noise": 1}[case]
        print(
            f"| {label} | {ours['seconds']:.3f} | {plain['seconds']:.3f} "
            f"| {plain['seconds'] / ours['seconds']:.1f} | {cells / ours['seconds'] / 1e6:,.0f} "
            f"| {ours['peak']:.0f} (+{ours['more']:.0f}) | {plain['peak']:.0f} (+{plain['more']:.0f}) "
            f"| {MBI.get(case, '')} |",
            flush=True,
        )
    print("\nMillions: rows counted for a pair, codes sampled, draws. In brackets: beyond what stood before.")
    print("mbi: as its `benchmarks` document for 1,000,000 × 81 on a CPU, not run here.")


if __name__ == "__main__":
    main()
