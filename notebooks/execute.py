"""Execute the notebooks, and write them with their outputs: `make notebooks`.

    python notebooks/execute.py --out docs/notebooks [--workers 2] [name ...]

The notebooks in this folder are kept without outputs, so that a change shows what changed. Each runs from its first
cell to its last in a kernel of its own, with one thread; an error in any cell fails the whole call.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
#: The longest that one cell may take, in seconds.
CELL_SECONDS = 600


def execute(source: Path, out: Path) -> float:
    """Execute one notebook, write it to the folder, and return its seconds."""
    notebook = nbformat.read(source, as_version=4)
    start = time.perf_counter()
    client = NotebookClient(
        notebook, timeout=CELL_SECONDS, kernel_name="python3", resources={"metadata": {"path": str(HERE)}}
    )
    client.execute()
    seconds = time.perf_counter() - start
    for cell in notebook.cells:
        if (
            cell.cell_type == "markdown"
        ):  # links lead from this folder to docs/, and from docs/notebooks to its sisters
            cell.source = re.sub(r"\]\(\.\./docs/", "](../", cell.source)
    nbformat.write(notebook, out / source.name)
    return seconds


def main() -> int:
    """Execute all notebooks, or those whose names begin with what is named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="beginnings of file names; all notebooks if none")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--workers", type=int, default=2, help="notebooks at a time")
    arguments = parser.parse_args()
    # Kernels inherit it: with a notebook on each core, more threads only get into each other's way.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sources = [s for s in sorted(HERE.glob("*.ipynb")) if s.name.startswith(tuple(arguments.names) or "")]
    if not sources:
        print("No notebook has such a name.", file=sys.stderr)
        return 2
    arguments.out.mkdir(parents=True, exist_ok=True)
    start, failed = time.perf_counter(), 0
    with ThreadPoolExecutor(arguments.workers) as pool:
        runs = {source: pool.submit(execute, source, arguments.out) for source in sources}
        for source, run in runs.items():
            error = run.exception()
            failed += error is not None
            print(
                f"{source.name}: {run.result():.0f} s"
                if error is None
                else f"{source.name}: FAILED\n{error}",
                flush=True,
            )
    print(
        f"{len(sources) - failed} passed, {failed} failed, {time.perf_counter() - start:.0f} s by the clock"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
