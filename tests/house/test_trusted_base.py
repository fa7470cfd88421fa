"""The trusted base is small, and the page that lists it says what is there."""

from __future__ import annotations

import re

import pytest
from house import trusted_base


def test_the_page_lists_exactly_the_files_of_the_trusted_base() -> None:
    listed = re.findall(r"^\| `(dpsynth/[^`]+)` \|", trusted_base.PAGE.read_text(), flags=re.MULTILINE)
    assert listed == [path.relative_to(trusted_base.ROOT).as_posix() for path in trusted_base.files()], (
        "Run: python tests/house/trusted_base.py table"
    )


def test_the_line_counts_of_the_page_are_near_the_truth() -> None:
    listed = dict(
        re.findall(r"^\| `(dpsynth/[^`]+)` \| (\d+) \|", trusted_base.PAGE.read_text(), flags=re.MULTILINE)
    )
    for path in trusted_base.files():
        stated = int(listed[path.relative_to(trusted_base.ROOT).as_posix()])
        assert stated == pytest.approx(trusted_base.code_lines(path.read_text()), rel=0.1, abs=5), (
            f"{path}: run python tests/house/trusted_base.py table"
        )


def test_the_trusted_base_stays_small_enough_to_read() -> None:
    total = sum(trusted_base.code_lines(path.read_text()) for path in trusted_base.files())
    assert total <= trusted_base.BUDGET


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("", 0),
        ('"""Docstring\nof two lines."""\n\n# comment\nx = 1  # another\n', 1),
        ("def f(\n    a,\n):\n    '''Doc.'''\n\n    return a\n", 4),
        ("import os\ntext = '''one\ntwo'''\n", 3),
        ("try:\n    f()\nexcept OSError:\n    g()\n", 4),
    ],
)
def test_code_is_counted_without_blanks_comments_and_docstrings(source: str, lines: int) -> None:
    assert trusted_base.code_lines(source) == lines


def test_every_room_of_the_trusted_base_exists() -> None:
    assert all(path.is_file() for path in trusted_base.files())
    for room in trusted_base.ROOMS:
        assert any(path.parent.name == room for path in trusted_base.files())
