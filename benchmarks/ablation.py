"""What each step of `allpairs` is worth: switched off one at a time, on the discretised Adult table.

    python benchmarks/ablation.py --data FOLDER --score SCORE.py [--epsilons 1 10] [--repeats 2]

A step is switched off by replacing a function of the package for one run: the product has no such options.
All else, noise and budget included, is the real path. Prints one Markdown table: the mean over the repeats.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
from quality_cases import CASES, Table, load_score, scores

from dpsynth import Budget, FittedModel, Ledger
from dpsynth.generators import buckets, pair_fit
from dpsynth.generators.allpairs import AllPairs
from dpsynth.graphical import estimation, expansion, junction_model, structure
from dpsynth.release.pipeline import fit_table

CASE = "adult-discrete"
FEWER_CELLS = 12_000
Replaced = tuple[Any, str, Callable[..., Any]]


def _nothing(*_args: Any, **_options: Any) -> None:
    """Instead of `polish`: the rows stay as they were drawn."""


def _as_expected(_noisy: Any, expected: Any) -> Any:
    """Instead of `denoised`: what the start says, without any of the measured difference."""
    return expected


def _fixed(number: int) -> Replaced:
    return (buckets, "bucket_count", lambda *_args, **_options: number)


INDEPENDENT, TREE = 0, 1  # the two starts of `target_tables`, in its order
VARIANTS: dict[str, tuple[Replaced, ...]] = {
    "everything": (),
    "targets from the fitted tree, no low rank": (
        (structure, "denoised", _as_expected),
        (structure, "_mean", lambda estimates: estimates[TREE]),
    ),
    "one estimate, from independence": ((structure, "_mean", lambda estimates: estimates[INDEPENDENT]),),
    "one estimate, from the fitted tree": ((structure, "_mean", lambda estimates: estimates[TREE]),),
    "no polish": ((junction_model, "polish", _nothing), (expansion, "polish", _nothing)),
    "no polish inside buckets": ((expansion, "polish", _nothing),),
    "no smoothing of columns": ((estimation, "smooth_ordered", lambda values, _sigma: values),),
    "8 buckets": (_fixed(8),),
    "16 buckets": (_fixed(16),),
    "32 buckets": (_fixed(32),),
    "no finer look at some pairs": ((pair_fit, "hiding_pairs", lambda *_args: ()),),
    f"a model of {FEWER_CELLS:,} cells": (),
}


@contextlib.contextmanager
def _without(replaced: tuple[Replaced, ...]) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for module, name, other in replaced:
            stack.enter_context(mock.patch.object(module, name, other))
        yield


def one_run(variant: str, table: Table, epsilon: float, seed: int) -> pd.DataFrame:
    generator = AllPairs(most_cells=FEWER_CELLS) if "cells" in variant else AllPairs()
    with _without(VARIANTS[variant]), Ledger.in_memory() as ledger:
        fitted: FittedModel = fit_table(
            table.real,
            schema=table.schema,
            generator=generator,
            budget=Budget(epsilon=epsilon, delta=CASES[CASE].delta),
            ledger=ledger,
            dataset="ablation",
            rng=seed,
        )
        return fitted.sample(rng=seed).frame


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--score", type=Path)
    parser.add_argument("--epsilons", type=float, nargs="*", default=[1.0, 10.0])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=list(VARIANTS))
    args = parser.parse_args()
    if args.data is None or args.score is None:
        raise SystemExit("ablation: needs --data FOLDER (benchmark tables) and --score SCORE.py (yardstick).")
    yardstick, case = load_score(args.score), CASES[CASE]
    table = case.read(args.data)
    print("| allpairs with | epsilon | tvd2 | tvd3 |\n|---|---:|---:|---:|")
    for epsilon in args.epsilons:
        for variant in args.only:
            found = [
                scores(yardstick, case, table, one_run(variant, table, epsilon, seed), classifiers=False)
                for seed in range(args.repeats)
            ]
            tvd2, tvd3 = (np.mean([each[key] for each in found]) for key in ("tvd2", "tvd3"))
            print(f"| {variant} | {epsilon:g} | {tvd2:.4f} | {tvd3:.4f} |", flush=True)


if __name__ == "__main__":
    main()
