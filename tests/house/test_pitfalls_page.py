"""The page of pitfalls lists every number and exactly the tests that there are."""

from __future__ import annotations

from house import pitfalls_page

NUMBERS = [f"P{n:02}" for n in range(1, 43)] + [f"U{n:02}" for n in range(1, 11)]


def rows() -> dict[str, tuple[str, str]]:
    """For each number of the page its answer and its tests."""
    found = pitfalls_page.ROW.findall(pitfalls_page.PAGE.read_text())
    return {number: (answer.strip(), tests.strip()) for number, _, answer, tests in found}


def test_every_pitfall_has_a_row() -> None:
    assert sorted(rows()) == sorted(NUMBERS)


def test_every_pitfall_test_is_named_by_its_number() -> None:
    assert set(pitfalls_page.tests_by_number()) <= set(NUMBERS)


def test_the_page_names_the_tests_that_there_are() -> None:
    page = pitfalls_page.PAGE.read_text()
    assert page == pitfalls_page.filled(page), "Run: python tests/house/pitfalls_page.py"


def test_a_pitfall_is_tested_exactly_if_it_can_be_met() -> None:
    untested = {number for number, (_, tests) in rows().items() if not tests}
    assert untested == {number for number, (answer, _) in rows().items() if answer == "not met"}
