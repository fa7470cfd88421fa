"""What structural zeros cost and mend: one table with and without its constraints.

    python benchmarks/constraints.py --data FOLDER --score SCORE.py [--repeats 3]

FOLDER holds `nist-acs-excerpts/`. Both runs have the same cells. Prints the share of rows that break a
constraint, and the k-marginal score, as medians over the repeats.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
from pathlib import Path

import numpy as np
import pandas as pd
from quality_cases import CASES, SCHEMAS, load_score

import dpsynth
from dpsynth.graphical.zeros import allowed_rows, allowed_tables
from dpsynth.schema.encode import encode_column


def breaking(schema: dpsynth.Schema, frame: pd.DataFrame, kind: type | None = None) -> float:
    """The share of rows that break a constraint, or one of a kind."""
    kept = tuple(c for c in schema.constraints if kind is None or isinstance(c, kind))
    schema = dataclasses.replace(schema, constraints=kept)
    columns = [encode_column(c, frame[c.name], schema.missing_values) for c in schema.modelled]
    return 1.0 - float(allowed_rows(np.column_stack(columns), allowed_tables(schema)).mean())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--score", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epsilon", type=float, default=1.0)
    args = parser.parse_args()
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
