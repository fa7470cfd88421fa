"""Quality, seconds and peak memory of the whole path: file, session, ledger, exact noise, rows.

    python benchmarks/quality.py --data FOLDER --score SCORE.py [--repeats 3] [--only adult] [--methods auto]

FOLDER holds `adult/`, `nist-acs-excerpts/`, `census-income-kdd/` and `nltcs/`; `wide` needs none of them.
Each run is a process of its own, so that its peak memory is its own. Prints one Markdown table: medians over
the repeats, beside the floor (a resample of the real rows has no better score) that is measured in the same
go. `--target` declares what is to be predicted, for the tables that have such a column.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from quality_cases import CASES, Case, Table, load_score, scores

if TYPE_CHECKING:
    from dpsynth import SyntheticTable

COLUMNS = {  # heading: what is shown, how
    "tvd1": ("tvd1", ".4f"),
    "tvd2": ("tvd2", ".4f"),
    "tvd3": ("tvd3", ".4f"),
    "k-marginal": ("k_marginal", ".1f"),
    "LR": ("auc_lr", ".3f"),
    "HGB": ("auc_hgb", ".3f"),
    "fit + sample, s": ("fit_sample_s", ".2f"),
    "MB": ("peak_mb", ".0f"),
}


def one_run(order: dict[str, Any]) -> None:
    """Child process: the whole path once; prints seconds and peak memory as JSON."""
    import resource

    import dpsynth

    start = time.perf_counter()
    schema = dpsynth.Schema.load(order["schema"])
    loaded = time.perf_counter()
    with dpsynth.Ledger.open(Path(order["out"]).with_suffix(".db")) as ledger:
        asked = {"schema": schema, "ledger": ledger, "dataset": "benchmark"}
        table = synthesized(order, asked)
    fitted = time.perf_counter()
    table.to_parquet(order["out"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"fit_sample_s": fitted - loaded, "total_s": fitted - start, "peak_mb": peak}))


def synthesized(order: dict[str, Any], asked: dict[str, Any]) -> SyntheticTable:
    import dpsynth

    epsilon, delta = order["epsilon"], order["delta"]
    return dpsynth.synthesize(order["source"], epsilon=epsilon, delta=delta, **asked, **order["options"])


def measured(order: dict[str, Any]) -> dict[str, float]:
    child = [sys.executable, __file__, "--child", json.dumps(order)]
    done = subprocess.run(child, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"quality: a run failed.\n{done.stderr}")
    costs: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return costs


@contextlib.contextmanager
def files_of(table: Table) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A scratch folder with the private table and its schema."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        table.real.to_csv(folder / "real.csv", index=False)
        table.schema.save(folder / "schema.json")
        yield folder, {"source": str(folder / "real.csv"), "schema": str(folder / "schema.json")}


def row(
    cells: tuple[str, str, str], found: list[dict[str, float]], costs: list[dict[str, float]], extra: str
) -> None:
    def median(key: str, form: str) -> str:
        values = [each[key] for each in (*found, *costs) if key in each]
        return format(statistics.median(values), form) if values else ""

    shown = [median(key, form) for key, form in COLUMNS.values()]
    beside = f"{extra} {median('extra', '.4f')}" if extra else ""
    print(f"| {' | '.join((*cells, *shown, beside))} |", flush=True)


def run_case(name: str, case: Case, yardstick: Any, args: argparse.Namespace) -> None:
    if not (args.data / case.needs).exists():
        print(f"| {name} | lacks {case.needs} |{' |' * (2 + len(COLUMNS))}", flush=True)
        return
    table = case.read(args.data)
    with_classes = args.target and case.target is not None
    if not args.no_floor:
        resample = table.real.sample(frac=1, replace=True, random_state=0)
        floor = scores(yardstick, case, table, resample)
        row((name, "(resample of the real rows)", "-"), [floor], [], case.extra)
    with files_of(table) as (folder, order):
        for method in args.methods:
            options = {"method": method, **({"target": case.target} if with_classes else {})}
            for epsilon in args.epsilons:
                found, costs = [], []
                for repeat in range(args.repeats):
                    out = str(folder / f"{method}-{epsilon}-{repeat}.parquet")
                    asked = {"epsilon": epsilon, "delta": case.delta, "options": options, "out": out}
                    costs.append(measured({**order, **asked}))
                    found.append(scores(yardstick, case, table, pd.read_parquet(out)))
                label = f"{method}, target" if with_classes else method
                row((name, label, f"{epsilon:g}"), found, costs, case.extra)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--score", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epsilons", type=float, nargs="*", default=[1.0])
    parser.add_argument("--only", nargs="*", choices=list(CASES), default=list(CASES))
    parser.add_argument("--methods", nargs="*", default=["auto", "allpairs", "aim", "mst"])
    parser.add_argument("--target", action="store_true", help="declare the target, on tables that have one")
    parser.add_argument("--no-floor", action="store_true", help="leave out the resample of the real rows")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        one_run(json.loads(args.child))
        return
    if args.data is None or args.score is None:
        raise SystemExit(
            "quality: needs --data FOLDER (benchmark tables) and --score SCORE.py (the yardstick)."
        )
    yardstick = load_score(args.score)
    print(f"| data | method | epsilon | {' | '.join(COLUMNS)} | beside |\n|{'---|' * (4 + len(COLUMNS))}")
    for name in args.only:
        if not (args.target and CASES[name].target is None):
            run_case(name, CASES[name], yardstick, args)


if __name__ == "__main__":
    main()
