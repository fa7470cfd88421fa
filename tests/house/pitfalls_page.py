"""Which test stands for which pitfall.

python tests/house/pitfalls_page.py         write the last column of docs/explanation/pitfalls.md
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "explanation" / "pitfalls.md"
FOLDER = ROOT / "tests" / "pitfalls"
ROW = re.compile(r"^\| ([PU]\d\d) \| ([^|]+) \| ([^|]+) \|([^|]*)\|$", re.MULTILINE)
NAME = re.compile(r"test_([pu]\d\d)_\w+\.py")


def tests_by_number() -> dict[str, list[str]]:
    """For each number its test files; a file of another name counts for the number ''."""
    found: dict[str, list[str]] = {}
    for path in sorted(FOLDER.glob("*.py")):
        match = NAME.fullmatch(path.name)
        found.setdefault(match[1].upper() if match else "", []).append(path.name)
    return found


def filled(page: str) -> str:
    """`page` with the last column of its tables as it has to be."""
    tests = tests_by_number()

    def row(match: re.Match[str]) -> str:
        cell = ", ".join(f"`{name}`" for name in tests.get(match[1], []))
        return (
            f"| {match[1]} | {match[2]} | {match[3]} | {cell} |"
            if cell
            else f"| {match[1]} | {match[2]} | {match[3]} | |"
        )

    return ROW.sub(row, page)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
