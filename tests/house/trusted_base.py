"""The trusted base, computed: which files it has, how long they are, and its coverage gate.

    python tests/house/trusted_base.py          after a test run with coverage: every branch is covered
    python tests/house/trusted_base.py table    write the table of docs/explanation/trusted-base.md

An error in one of these files can break the privacy guarantee; an error elsewhere cannot.
"""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "dpsynth"
PAGE = ROOT / "docs" / "explanation" / "trusted-base.md"
ROOMS = ("privacy", "ledger", "mechanisms", "session")
SILENT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
ENCODER = PACKAGE / "schema" / "encode.py"
BUDGET = 6124
"""Most lines of code; blank lines, comments and docstrings do not count."""


def files() -> list[Path]:
    """All modules of the trusted base, sorted."""
    rooms = [path for room in ROOMS for path in (PACKAGE / room).rglob("*.py")]
    return sorted({*rooms, *encoding()})


def encoding() -> set[Path]:
    """The encoder (value to code) and every module of its room that it stands on."""
    found: set[Path] = set()
    waiting = [ENCODER, PACKAGE / "schema" / "layout.py"]
    while waiting:
        path = waiting.pop()
        found.add(path)
        imports = (
            node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)
        )
        names = [name.split(".")[-1] for name in imports if name and name.startswith("dpsynth.schema.")]
        waiting += [p for p in (PACKAGE / "schema" / f"{name}.py" for name in names) if p not in found]
    return found


def code_lines(source: str) -> int:
    """Lines that hold code: no blank lines, no comments, no docstrings."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in SILENT:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in docstrings(source):
        lines.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def docstrings(source: str) -> list[ast.Expr]:
    """Statements that are a bare text."""
    found = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr))
    return [
        node for node in found if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]


def table() -> str:
    """The Markdown table of all files with their lines of code."""
    counts = {path: code_lines(path.read_text()) for path in files()}
    rows = [f"| `{path.relative_to(ROOT).as_posix()}` | {count} |" for path, count in counts.items()]
    return "\n".join(
        ["| file | lines of code |", "|---|---:|", *rows, f"| **all** | **{sum(counts.values())}** |"]
    )


def uncovered() -> int:
    """Exit status of the coverage report over the trusted base: 0 if every line and branch ran."""
    names = ",".join(path.relative_to(ROOT).as_posix() for path in files())
    command = [
        "coverage",
        "report",
        f"--include={names}",
        "--fail-under=100",
        "--show-missing",
        "--skip-covered",
    ]
    return subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    if sys.argv[1:] == ["table"]:
        text, mark, _ = PAGE.read_text().partition("<!-- table")
        PAGE.write_text(f"{text}{mark}: python tests/house/trusted_base.py table -->\n\n{table()}\n")
    else:
        sys.exit(uncovered())
