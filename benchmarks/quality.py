"""Quality, seconds and peak memory of the whole path: file, session, ledger, exact noise, rows.

    python benchmarks/quality.py --data FOLDER --score SCORE.py [--repeats 3] [--only adult]

FOLDER holds `adult/`, `nist-acs-excerpts/` and `census-income-kdd/`. Each run is a process of its own, so
that its peak memory is its own. Prints one Markdown table: medians over the repeats, beside the floor
(a resample of the real rows has no better score) that is measured in the same go.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

HERE = Path(__file__).parent
CASES: dict[str, dict[str, Any]] = {
    "adult": {
        "file": "adult/adult_train.csv",
        "test": "adult/adult_test.csv",
        "target": "income",
        "delta": 1e-9,
    },
    "nist": {"file": "nist-acs-excerpts/national2019.csv", "schema": "nist_acs.schema.json", "delta": 1e-5},
    "kdd": {
        "file": "census-income-kdd/census-income.data.csv.gz",
        "schema": "kdd_census.schema.json",
        "delta": 1e-9,
    },
}


def schema_path(case: dict[str, Any]) -> Path:
    from dpsynth import datasets

    return HERE / "schemas" / case["schema"] if "schema" in case else datasets.adult_schema_path()


def real_frame(name: str, path: Path) -> pd.DataFrame:
    from dpsynth import Schema

    if name != "kdd":
        return pd.read_csv(path, low_memory=False, na_values=["N"] if name == "nist" else None)
    names = Schema.load(schema_path(CASES[name])).names
    return pd.read_csv(
        path,
        header=None,
        names=names,
        skipinitialspace=True,
        dtype=str,
        na_values=["?"],
        keep_default_na=False,
    )


def one_run(name: str, method: str, epsilon: float, source: str, out: str) -> None:
    """Child process: the whole path once; prints seconds and peak memory as JSON."""
    import resource

    import dpsynth

    case, start = CASES[name], time.perf_counter()
    schema = dpsynth.Schema.load(schema_path(case))
    loaded = time.perf_counter()
    with dpsynth.Ledger.open(Path(out).with_suffix(".db")) as ledger:
        table = dpsynth.synthesize(
            source,
            schema=schema,
            epsilon=epsilon,
            delta=case["delta"],
            method=method,
            ledger=ledger,
            dataset=name,
        )
    fitted = time.perf_counter()
    table.to_parquet(out)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"fit_sample_s": fitted - loaded, "total_s": fitted - start, "peak_mb": peak}))


def measured(
    name: str, method: str, epsilon: float, source: Path, folder: Path, repeat: int
) -> tuple[dict[str, float], Path]:
    out = folder / f"{name}-{method}-{epsilon}-{repeat}.parquet"
    child = [sys.executable, __file__, "--child", name, method, str(epsilon), str(source), str(out)]
    done = subprocess.run(child, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1]), out


def load_score(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("score", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"quality: {path} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--score", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epsilons", type=float, nargs="*", default=[1.0])
    parser.add_argument("--only", nargs="*", default=list(CASES))
    parser.add_argument("--methods", nargs="*", default=["independent", "mst"])
    parser.add_argument("--child", nargs=5)
    args = parser.parse_args()
    if args.child:
        name, method, epsilon, source, out = args.child
        one_run(name, method, float(epsilon), source, out)
        return
    if args.data is None or args.score is None:
        raise SystemExit(
            "quality: needs --data FOLDER (benchmark tables) and --score SCORE.py (the yardstick)."
        )
    score = load_score(args.score)
    columns = "data | method | epsilon | tvd1 | tvd2 | tvd3 | k-marginal | LR | HGB | fit + sample, s | MB"
    print(f"| {columns} |\n|{'---|' * 11}")
    with tempfile.TemporaryDirectory() as scratch:
        for name in args.only:
            case, folder = CASES[name], Path(scratch)
            source = args.data / case["file"]
            if not source.exists():
                print(f"| {name} | lacks {case['file']} | | | | | | | | | |")
                continue
            real = real_frame(name, source)
            if name == "kdd":
                source = folder / "kdd.csv"
                real.to_csv(source, index=False)
            test = real_frame(name, args.data / case["test"]) if "test" in case else None
            triples = 50 if name == "kdd" else 200
            resample = real.sample(frac=1, replace=True, random_state=0)
            ceiling = score.score(real, resample, test, case.get("target"), triples=triples)
            show(name, "(resample of the real rows)", "-", [ceiling], [])
            for method in args.methods:
                for epsilon in args.epsilons:
                    runs = [measured(name, method, epsilon, source, folder, r) for r in range(args.repeats)]
                    frames = [pd.read_parquet(path) for _, path in runs]
                    scores = [score.score(real, f, test, case.get("target"), triples=triples) for f in frames]
                    show(name, method, f"{epsilon:g}", scores, [cost for cost, _ in runs])


def show(
    name: str, method: str, epsilon: str, scores: list[dict[str, float]], costs: list[dict[str, float]]
) -> None:
    def median(rows: list[dict[str, float]], key: str, form: str) -> str:
        values = [row[key] for row in rows if key in row]
        return format(statistics.median(values), form) if values else ""

    cells = [median(scores, key, ".4f") for key in ("tvd1", "tvd2", "tvd3")]
    cells += [
        median(scores, "k_marginal", ".1f"),
        median(scores, "auc_lr", ".3f"),
        median(scores, "auc_hgb", ".3f"),
    ]
    cells += [median(costs, "fit_sample_s", ".2f"), median(costs, "peak_mb", ".0f")]
    print(f"| {name} | {method} | {epsilon} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
