from __future__ import annotations

import html.parser
import re
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation.report.made import evaluation
from promises import promise

from dpsynth.errors import ConfigurationError, PrivacyError, StorageError
from dpsynth.evaluation.report import compare, curator_report, release_card
from dpsynth.evaluation.report.findings import findings
from dpsynth.evaluation.report.svg import bars, grids, heat_map, number, scale
from dpsynth.evaluation.results import Evaluation, Result
from dpsynth.privacy.events import GaussianEvent
from dpsynth.privacy.risk import powers, rounded_up
from dpsynth.session.guarantee import Guarantee

VOID = {"meta", "br", "line", "circle", "link", "img"}


class Balanced(html.parser.HTMLParser):
    """Fails where a tag is closed that is not open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        assert all(name not in {"onclick", "onload", "src", "href"} for name, _ in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def checked(text: str) -> str:
    """A page that is well-formed, holds no script and fetches nothing."""
    parser = Balanced()
    parser.feed(text)
    assert not parser.open
    assert not parser.seen & {"script", "iframe", "link", "img", "object"}
    assert not re.search(r"https?://|@import|url\(", text)
    assert "prefers-color-scheme:dark" in text
    assert "@media print" in text
    assert len(text) < 500_000
    return text


def guarantee(taints: tuple[str, ...] = ()) -> Guarantee:
    return promise(GaussianEvent(mu=0.2), delta=1e-6, labels=("counts",), method="independent", taints=taints)


def test_the_page_for_the_data_holder_is_whole_and_the_same_each_time(tmp_path: Path) -> None:
    grid = np.arange(12).reshape(3, 4)
    path = tmp_path / "page.html"
    text = checked(curator_report(evaluation(), path, pictures={"real": grid, "synthetic": grid.T}))
    assert text == curator_report(evaluation(), pictures={"real": grid, "synthetic": grid.T})
    assert path.read_text() == text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert text.index("CONFIDENTIAL") < text.index("<h1>")
    assert "town &lt;b&gt;" in text
    assert "town <b>" not in text
    assert text.index("What matters") < text.index("Is it similar?") < text.index("Is it private?")
    assert text.count('role="img"') >= 4


def test_findings_tell_what_matters_in_sentences() -> None:
    told = findings(evaluation())
    assert told[0].startswith("No attack")
    assert "0.4621" in told[0]
    assert "The worst pair is town <b> and class (0.06; a second real sample gets 0.01)" in told[1]
    assert "Associations is weak: 0.25" in told[2]
    assert len(told) == 3  # nothing about what is not a number
    assert "close to a second real sample" in " ".join(findings(evaluation(tvd2=0.021)))
    assert findings(Evaluation(title="none", results=())) == ()


def test_nothing_is_weak_beside_a_floor_that_is_better_than_the_ceiling() -> None:
    """Independent columns keep the shares of groups, often better than a second real sample does."""
    better_than_both = Result(
        name="group_shares", family="bias", title="Shares", value=0.003, floor=0.002, ceiling=0.0055
    )
    assert findings(Evaluation(title="groups", results=(better_than_both,))) == ()
    score = replace(better_than_both, floor=0.2, ceiling=0.9, value=0.3, better="higher")
    assert "is weak" in findings(Evaluation(title="score", results=(score,)))[0]


def test_the_card_is_for_everybody_and_holds_nothing_confidential(tmp_path: Path) -> None:
    path = tmp_path / "card.html"
    text = checked(release_card(guarantee(), evaluation(publishable=True), path))
    assert path.read_text() == text
    assert "CONFIDENTIAL" not in text
    assert "Distance of pairs" not in text
    assert "Largest advantage" in text
    assert "synthetic" in text
    assert checked(release_card(guarantee()))


def test_what_must_not_be_published_is_refused() -> None:
    with pytest.raises(PrivacyError, match="confidential numbers"):
        release_card(guarantee(), evaluation())
    with pytest.raises(PrivacyError, match="test noise was drawn"):
        release_card(guarantee(("test noise was drawn",)))


def test_tables_side_by_side_show_the_best_in_bold() -> None:
    text = checked(compare([evaluation("a", tvd2=0.05), evaluation("b", tvd2=0.04)]))
    assert "<b>0.04</b>" in text
    assert "<b>0.05</b>" not in text
    assert "CONFIDENTIAL" in text
    with pytest.raises(ConfigurationError, match="titles"):
        compare([evaluation(), evaluation()])
    with pytest.raises(ConfigurationError, match="titles"):
        compare([])


def test_evaluations_come_back_from_json() -> None:
    made = evaluation()
    again = Evaluation.from_json(made.to_json())
    assert again.to_json() == made.to_json()
    assert again.results[0] == made.results[0]
    for text in ("{}", "no json", made.to_json().replace("evaluation/1", "evaluation/2")):
        with pytest.raises(StorageError):
            Evaluation.from_json(text)


def test_fifty_columns_stay_small() -> None:
    names = [f"column {i}" for i in range(50)]
    pairs = {(a, b): 0.01 for i, a in enumerate(names) for b in names[:i]}
    assert len(heat_map(names, pairs, title="pairs")) < 200_000


def test_pictures_of_nothing_are_nothing_and_numbers_are_short() -> None:
    nan = float("nan")
    assert bars({"a": (nan, None)}, title="none") == ""
    assert scale(nan, 0.1, 0.2, title="none") == scale(0.1, 0.2, 0.2, title="none") == ""
    assert "<svg" in heat_map(["a", "b"], {("a", "b"): nan}, title="none")
    assert "<svg" in grids({"a": np.zeros((2, 2))}, title="none")
    assert [number(value) for value in (None, nan, 0.123456, 12345.6)] == ["–", "–", "0.1235", "12,346"]
    assert 'cx="10.0"' in scale(0.9, 0.5, 0.1, title="beyond")  # worse than the floor stays in the picture


def test_the_card_says_what_the_promise_means_for_one_person() -> None:
    text = release_card(guarantee())
    assert "Recognised at most, of 1,000 inside" in text
    limits = powers((GaussianEvent(mu=0.2),), (0.001, 0.01), delta=1e-6)
    assert all(f">{rounded_up(1000 * limit)}<" in text for limit in limits)
    for risk in ("singling out", "linkability", "inference"):
        assert risk in text
    assert "Evidence for your assessment" in text
    assert "compliant" not in text
