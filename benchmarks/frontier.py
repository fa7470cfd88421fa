"""How long sweeps over epsilon take on Adult, 12 values for three methods.

    python benchmarks/frontier.py --data FOLDER [--modes analytic proxy nested] [--replicates 5] [--workers 2]
        [--cache FOLDER] [--out FOLDER]

The rows are the training split of Adult; for this benchmark they count as public, and `nested` is charged to
a ledger in memory. Shown are wall and processor seconds of each mode, of the same call again from its cache,
and the table by method; `--out` keeps pictures and JSON. A run that was interrupted goes on from `--cache`.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from quality_cases import CASES

import dpsynth
from dpsynth.tuning import Frontier

EPSILONS = (0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
METHODS = "independent,mst,allpairs"
DELTA = 1e-6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--modes", nargs="+", default=["analytic", "proxy", "nested"])
    parser.add_argument("--replicates", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if args.data is None:
        raise SystemExit("frontier: needs --data FOLDER (benchmark tables).")
    table = CASES["adult"].read(args.data)
    with tempfile.TemporaryDirectory() as folder, dpsynth.Ledger.in_memory() as ledger:
        cache = args.cache or Path(folder)
        options: dict[str, dict[str, Any]] = {
            "analytic": {"rows": len(table.real)},
            "proxy": {
                "data": table.real,
                "replicates": args.replicates,
                "workers": args.workers,
                "cache": cache,
            },
            "nested": {"data": table.real, "ledger": ledger, "dataset": "adult"},
        }
        for mode in args.modes:
            report(mode, lambda mode=mode: swept(mode, table.schema, options[mode]), args.out)
            if mode == "proxy":
                report("proxy, again", lambda: swept("proxy", table.schema, options["proxy"]), None)


def swept(mode: Any, schema: dpsynth.Schema, options: dict[str, Any]) -> Frontier:
    """One sweep."""
    return dpsynth.frontier(
        schema=schema, mode=mode, methods=METHODS, epsilons=EPSILONS, delta=DELTA, **options
    )


def report(name: str, sweep: Callable[[], Frontier], out: Path | None) -> None:
    """Its seconds and its table."""
    begun, work = time.perf_counter(), sum(os.times()[:4])
    found = sweep()
    seconds, used = time.perf_counter() - begun, sum(os.times()[:4]) - work
    print(f"\n{name}: {seconds:.2f} s, {used:.2f} s of processors. {found.cost}")
    print(found.compare().round(4).to_string())
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{name}.svg").write_text(found.to_svg())
        (out / f"{name}.json").write_text(found.to_json())


if __name__ == "__main__":
    main()
