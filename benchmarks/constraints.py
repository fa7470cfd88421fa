"""What structural zeros cost and mend: one table with and without its constraints.

    python benchmarks/constraints.py --data FOLDER --score SCORE.py [--repeats 3] [--methods mst ...]

FOLDER holds `nist-acs-excerpts/`. Both runs have the same cells. Prints the share of rows that break a
constraint, and the k-marginal score, as medians over the repeats. With `--methods` it measures these with and
without the rules about values of `nist_rules.py`, which every method takes, and how many drawn rows met
them; a method that holds structural zeros is measured with the rules in its model as well.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import time
from pathlib import Path

import numpy as np
import pandas as pd
from nist_rules import NIST_RULES
from quality_cases import CASES, SCHEMAS, load_score

import dpsynth
from dpsynth.generators import get
from dpsynth.generators.base import holds_zeros
from dpsynth.graphical.zeros import allowed_rows, allowed_tables
from dpsynth.release.pipeline import fit_table
from dpsynth.schema.encode import encode_column
from dpsynth.schema.row_checks import violations


def breaking(schema: dpsynth.Schema, frame: pd.DataFrame, kind: type | None = None) -> float:
    """The share of rows that break a constraint, or one of a kind."""
    kept = tuple(c for c in schema.constraints if kind is None or isinstance(c, kind))
    schema = dataclasses.replace(schema, constraints=kept)
    columns = [encode_column(c, frame[c.name], schema.missing_values) for c in schema.modelled]
    return 1.0 - float(allowed_rows(np.column_stack(columns), allowed_tables(schema)).mean())


def breaking_rules(schema: dpsynth.Schema, frame: pd.DataFrame) -> float:
    """The share of rows that break a rule about values."""
    return float(np.any(list(violations(schema, frame).values()), axis=0).mean())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--score", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epsilon", type=float, default=1.0)
    parser.add_argument("--methods", nargs="+", default=[])
    args = parser.parse_args()
    (measure_rules if args.methods else measure_zeros)(args)


def measure_rules(args: argparse.Namespace) -> None:
    """Each method without and with rules about values."""
    score, case = load_score(args.score), CASES["nist"]
    table = case.read(args.data)
    ruled = dataclasses.replace(table.schema, rules=NIST_RULES)
    print("| method | rules | rows that break a rule | drawn rows kept | k-marginal | seconds to sample |")
    print("|---|---|---|---|---|---|")
    for method in args.methods:
        variants = {"none": table.schema, "on rows": ruled}
        if holds_zeros(get(method)):
            zeros = dpsynth.schema.as_structural_zeros(ruled)
            variants["in the model, and on rows"] = dataclasses.replace(ruled, constraints=zeros)
        for name, schema in variants.items():
            broken, kept, scores, seconds = [], [], [], []
            for _ in range(args.repeats):
                model = _model(table.real, schema, method, epsilon=args.epsilon, delta=case.delta)
                started = time.perf_counter()
                made = model.sample(rng=0)
                seconds.append(time.perf_counter() - started)
                broken.append(breaking_rules(ruled, made.frame))
                kept += [made.acceptance.rate] if made.acceptance else []
                scores.append(score.score(table.real, made.frame, bins=case.bins)["k_marginal"])
            rate = f"{statistics.median(kept):.1%}" if kept else ""
            said = f"{statistics.median(broken):.2%} | {rate} | {statistics.median(scores):.1f}"
            print(f"| {method} | {name} | {said} | {statistics.median(seconds):.1f} |", flush=True)
    print(f"| (real rows) | | {breaking_rules(ruled, table.real):.2%} | | | |")


def _model(
    real: pd.DataFrame, schema: dpsynth.Schema, method: str, *, epsilon: float, delta: float
) -> dpsynth.FittedModel:
    with dpsynth.Ledger.in_memory() as ledger:
        return fit_table(
            real,
            schema=schema,
            generator=get(method),
            budget=dpsynth.Budget(epsilon=epsilon, delta=delta),
            ledger=ledger,
            dataset="nist",
        )


def measure_zeros(args: argparse.Namespace) -> None:
    """Structural zeros in the model of `allpairs`."""
    score, case = load_score(args.score), CASES["nist"]
    source, real = args.data / case.needs, case.read(args.data).real
    declared = dpsynth.Schema.load(SCHEMAS / "nist_acs_constraints.schema.json")
    print("| constraints | rows that break impossible combinations | rows that break any | k-marginal |")
    print("|---|---|---|---|")
    for name, schema in (
        ("without", dataclasses.replace(declared, constraints=())),
        ("with", declared),
    ):
        impossible, broken, scores = [], [], []
        for _ in range(args.repeats):
            with dpsynth.Ledger.in_memory() as ledger:
                table = dpsynth.synthesize(
                    source,
                    schema=schema,
                    epsilon=args.epsilon,
                    delta=case.delta,
                    method="allpairs",
                    ledger=ledger,
                    dataset="nist",
                )
            impossible.append(breaking(declared, table.frame, dpsynth.ImpossibleCombinations))
            broken.append(breaking(declared, table.frame))
            scores.append(score.score(real, table.frame, bins=case.bins)["k_marginal"])
        shares = " | ".join(f"{statistics.median(found):.2%}" for found in (impossible, broken))
        print(f"| {name} | {shares} | {statistics.median(scores):.1f} |", flush=True)
    real_shares = (breaking(declared, real, dpsynth.ImpossibleCombinations), breaking(declared, real))
    print(f"| (real rows) | {real_shares[0]:.2%} | {real_shares[1]:.2%} | |")


if __name__ == "__main__":
    main()
