"""Seconds that a fresh interpreter needs for the imports, beside the bare interpreter.

python benchmarks/import_time.py [--repeats 9]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

STATEMENTS = {
    "nothing (the interpreter itself)": "pass",
    "import dpsynth": "import dpsynth",
    "dpsynth.Schema": "import dpsynth; dpsynth.Schema",
    "dpsynth.synthesize (pandas, pyarrow)": "import dpsynth; dpsynth.synthesize",
    "the command line": "import dpsynth.cli.app",
}


def seconds(statement: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_known_args()[0].repeats
    print(f"| {'what':<38} | median, s |\n|{'-' * 40}|----------:|")
    for what, statement in STATEMENTS.items():
        seconds(statement)  # byte code and file cache
        print(f"| {what:<38} | {statistics.median(seconds(statement) for _ in range(repeats)):9.3f} |")


if __name__ == "__main__":
    main()
