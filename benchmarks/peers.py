"""Other tools beside dpsynth: the same rows, epsilon and delta, one after the other, in the same go.

    python benchmarks/peers.py --data FOLDER --score SCORE.py [--cache FOLDER] [--limit 420] [--only mbi-mst]

Each tool gets a virtual environment of its own in the cache folder, made and filled on the first call (this
needs a package index). What cannot be installed, fails or exceeds the limit has a row that says so, and the
rest goes on. Seconds are those of the whole process: imports, compilation, reading and writing included, for
dpsynth as well. Ratios are to the first method of dpsynth. Scored on all pairs and 200 three-way tables.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from quality import files_of
from quality_cases import CASES, Table, load_score, scores

HERE = Path(__file__).parent
CASE = "adult-discrete"
MOST_REASON = 160


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A tool, what is installed for it, and the methods of `peer_mechanisms.py` that run in it."""

    tool: str
    requirements: tuple[str, ...]
    methods: tuple[str, ...]
    note: str = ""


PEERS = (
    Peer(
        tool="mbi 2.0.0",
        requirements=("mbi==2.0.0", "pandas"),
        methods=("mbi-mst",),
        note="a short MST of ours over its estimation",
    ),
    Peer(tool="opendp 0.16.0", requirements=("opendp[mbi]==0.16.0",), methods=("opendp-mst", "opendp-aim")),
    Peer(tool="dpmm 0.1.9", requirements=("dpmm==0.1.9",), methods=("dpmm-mst", "dpmm-aim")),
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Rows in a file, or why there are none."""

    seconds: float
    peak_mb: float = math.nan
    failure: str = ""


def environment(peer: Peer, cache: Path) -> tuple[Path, str]:
    """The interpreter of the peer's environment; and why it cannot be had, if so."""
    folder = cache / peer.methods[0].split("-")[0]
    python, stamp = folder / "bin" / "python", folder / "installed.txt"
    if stamp.exists() and stamp.read_text() == "\n".join(peer.requirements):
        return python, ""
    print(f"Installing {peer.tool} ...", file=sys.stderr)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in ([sys.executable, "-m", "venv", "--clear", str(folder)], [*pip, *peer.requirements]):
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            return python, f"not installed: {_reason(done.stderr)}"
    torch = subprocess.run([str(python), "-c", "import torch"], check=False, capture_output=True)
    if torch.returncode == 0:
        return python, "not run: its environment brings torch, which these tables do not need"
    stamp.write_text("\n".join(peer.requirements))
    return python, ""


def _reason(errors: str) -> str:
    """The last exception, or else the last line, short, without what would break a table."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    raised = [at for at, line in enumerate(lines) if re.match(r"[\w.]+(Error|Exception)\b", line)]
    text = " ".join(lines[raised[-1] if raised else -1 :]) or "no message"
    return text[:MOST_REASON].replace("|", "/")


def limited(command: list[str], limit: float) -> Outcome:
    """Run a process that prints JSON last; stop it, and all that it started, at the limit."""
    without_ours = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    start = time.perf_counter()
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=without_ours if "peer_mechanisms" in command[1] else None,
    ) as process:
        try:
            output, errors = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return Outcome(seconds=limit, failure=f"stopped after {limit:g} s")
    seconds = time.perf_counter() - start
    if process.returncode:
        return Outcome(seconds=seconds, failure=f"failed: {_reason(errors)}")
    return Outcome(seconds=seconds, peak_mb=json.loads(output.splitlines()[-1])["peak_mb"])


def rho_of(epsilon: float, delta: float) -> float:
    """The largest zCDP budget that gives (epsilon, delta), for tools that are asked in rho."""
    from dpsynth.privacy import zcdp

    low, high = 0.0, epsilon
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if zcdp.log_delta(middle, epsilon) <= math.log(delta) else (low, middle)
    return low


class Report:
    """Scores what the tools wrote and prints rows; ratios are to the first scored row of an epsilon."""

    def __init__(self, yardstick: Any, table: Table) -> None:
        self._yardstick, self._table = yardstick, table
        self._base: dict[float, tuple[float, float]] = {}
        headings = ("tool", "method", "epsilon", "tvd2", "tvd3", "s", "MB", "s, ratio", "tvd2, ratio", "note")
        print(f"| {' | '.join(headings)} |\n|{'---|' * len(headings)}", flush=True)

    def row(self, tool: str, method: str, epsilon: float, outcome: Outcome, out: Path, note: str) -> None:
        head = f"| {tool} | {method} | {epsilon:g}"
        if outcome.failure:
            print(f"{head} |  |  | {outcome.seconds:.1f} |  |  |  | {outcome.failure} |", flush=True)
            return
        rows = pd.read_parquet(out) if out.suffix == ".parquet" else pd.read_csv(out)
        found = scores(self._yardstick, CASES[CASE], self._table, rows, classifiers=False)
        seconds, tvd2 = self._base.setdefault(epsilon, (outcome.seconds, found["tvd2"]))
        quality = f"{found['tvd2']:.4f} | {found['tvd3']:.4f}"
        costs = f"{outcome.seconds:.1f} | {outcome.peak_mb:.0f}"
        ratios = f"{outcome.seconds / seconds:.1f} | {found['tvd2'] / tvd2:.2f}"
        print(f"{head} | {quality} | {costs} | {ratios} | {note} |", flush=True)


def run_all(report: Report, table: Table, args: argparse.Namespace) -> None:
    case = CASES[CASE]
    wanted = [(peer, [m for m in peer.methods if not args.only or m in args.only]) for peer in PEERS]
    environments = {peer.tool: environment(peer, args.cache) for peer, methods in wanted if methods}
    sizes = {column.name: column.cell_count for column in table.schema.modelled}
    with files_of(table) as (folder, files):
        for epsilon in args.epsilons:
            order = {**files, "epsilon": epsilon, "delta": case.delta}
            for method in args.dpsynth:
                out = folder / f"dpsynth-{method}-{epsilon}.parquet"
                asked = json.dumps({**order, "options": {"method": method}, "out": str(out)})
                command = [sys.executable, str(HERE / "quality.py"), "--child", asked]
                report.row("dpsynth", method, epsilon, limited(command, args.limit), out, "")
            order |= {"rho": rho_of(epsilon, case.delta), "sizes": sizes}
            for peer, methods in wanted:
                for method in methods:
                    out = folder / f"{method}-{epsilon}.csv"
                    asked = json.dumps({**order, "method": method, "out": str(out)})
                    python, missing = environments[peer.tool]
                    outcome = Outcome(seconds=0.0, failure=missing)
                    if not missing:
                        command = [str(python), str(HERE / "peer_mechanisms.py"), asked]
                        outcome = limited(command, args.limit)
                    report.row(peer.tool, method.split("-")[1], epsilon, outcome, out, peer.note)


def main() -> None:
    methods = [method for peer in PEERS for method in peer.methods]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--score", type=Path)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "dpsynth-peers")
    parser.add_argument("--limit", type=float, default=420.0, help="seconds for each run")
    parser.add_argument("--epsilons", type=float, nargs="*", default=[1.0])
    parser.add_argument("--only", nargs="*", choices=methods, help="these methods of peers")
    parser.add_argument("--dpsynth", nargs="*", default=["auto", "aim", "mst"], help="methods of dpsynth")
    args = parser.parse_args()
    if args.data is None or args.score is None:
        raise SystemExit(
            "peers: needs --data FOLDER (benchmark tables) and --score SCORE.py (the yardstick)."
        )
    table = CASES[CASE].read(args.data)
    run_all(Report(load_score(args.score), table), table, args)


if __name__ == "__main__":
    main()
