"""How long it takes to verify a release: that of the demo, and one of about 100 MB.

    python benchmarks/verify.py [--rows 930000] [--repeats 3]

The table is the Adult census table that ships with the package. Shown are seconds of a whole process
(median) of `dpsynth verify` and of the stand-alone verifier, with the ledger.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dpsynth import Budget, Ledger, datasets, publish
from dpsynth.generators.registry import get
from dpsynth.release import fit_table
from dpsynth.release.keys import new_key
from dpsynth.verifier.packed import write_zipapp


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=930_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--data", help="Not used: the table ships with the package.")
    parser.add_argument("--score", help="Not used.")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with Ledger.open(folder / "ledger.db") as ledger:
            model = fit_table(
                datasets.adult_path(),
                schema=datasets.adult_schema(),
                generator=get("auto"),
                budget=Budget(epsilon=1.0, delta=1e-9),
                ledger=ledger,
                dataset="adult",
            )
        new_key(folder / "key", passphrase=None)
        write_zipapp(folder / "verify.pyz")
        for rows in ("estimate", args.rows):
            out = publish(model, rows=rows, key=folder / "key", out=folder / f"release-{rows}", csv=True)
            size = sum(path.stat().st_size for path in out.iterdir()) / 1e6
            for name, command in (
                ("dpsynth verify", ["-m", "dpsynth", "verify"]),
                ("alone", [folder / "verify.pyz"]),
            ):
                full = [sys.executable, *command, out, "--trust", f"{folder / 'key'}.pub", "--ledger"]
                seconds = [_seconds([*full, folder / "ledger.db"]) for _ in range(args.repeats)]
                print(f"{size:7.1f} MB  {name:15} {statistics.median(seconds):6.2f} s", flush=True)


def _seconds(command: list[object]) -> float:
    start = time.perf_counter()
    subprocess.run([str(part) for part in command], check=True, capture_output=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
