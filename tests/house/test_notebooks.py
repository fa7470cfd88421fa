"""What a notebook has to be before it is executed; `make notebooks` executes them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def read(path: Path) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return cells


def text(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def test_there_are_eight_in_order() -> None:
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{number:02}" for number in range(1, 9)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_opens_with_a_question_and_ends_with_the_bill(path: Path) -> None:
    cells = read(path)
    assert re.match(r"# \S[^\n]*\n\n\*\*[^*]*\?\*\*\n", text(cells[0])), "a title, then a bold question"
    headings = [line for cell in cells for line in text(cell).splitlines() if line.startswith("## ")]
    assert headings[-2:] == ["## What this notebook spent", "## Where to go next"]
    assert re.search(r"\bspends|\bcharges? ", text(cells[0])), "what it spends, before anything runs"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_none_holds_outputs(path: Path) -> None:
    """Outputs are made anew each time, so that what is shown is what the code does."""
    for cell in read(path):
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(
        r"\]\(([^)#\s]+)[^)]*\)", "".join(text(c) for c in read(path) if c["cell_type"] == "markdown")
    )
    assert links
    for link in links:
        assert link.startswith("https://") or (path.parent / link).exists(), link
