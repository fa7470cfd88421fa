from __future__ import annotations

import json
import math
import stat
from pathlib import Path

import pytest
from evaluation.people import SCHEMA, independent, people

from dpsynth import Budget, Ledger
from dpsynth.errors import DataError
from dpsynth.evaluation import Report, evaluate
from dpsynth.evaluation.report import release_card
from dpsynth.evaluation.report.findings import findings
from dpsynth.generators.independent import Independent
from dpsynth.release.pipeline import fit_table


@pytest.fixture(scope="module")
def report() -> Report:
    real, holdout = people(600), people(300, seed=7)
    with Ledger.in_memory() as ledger:
        fitted = fit_table(
            real,
            schema=SCHEMA,
            generator=Independent(),
            budget=Budget(epsilon=1.0, delta=1e-6),
            ledger=ledger,
            dataset="people",
            rng=1,
        )
    return evaluate(
        real,
        fitted.sample(500, rng=1).frame,
        SCHEMA,
        holdout=holdout,
        target="class",
        protected=["town"],
        sensitive=["owner"],
        guarantee=fitted.guarantee,
        transcript=fitted.transcript,
        quick=True,
    )


def test_one_call_answers_all_four_questions(report: Report) -> None:
    evaluation = report.evaluation
    assert all(evaluation.family(family) for family in ("fidelity", "utility", "privacy", "bias"))
    names = [result.name for result in evaluation.results]
    assert len(names) == len(set(names))
    assert evaluation.disclosure.kind == "confidential"
    assert {result.name for result in evaluation.publishable().results} == {
        "certified_advantage",
        "certified_tpr_1",
        "certified_tpr_01",
        "certified_auc",
        "smallest_reliable_group",
    }
    assert 0 < evaluation["certified_advantage"].value < 0.5
    tvd2 = evaluation["tvd2"]
    assert tvd2.floor is not None
    assert tvd2.value == pytest.approx(tvd2.floor, rel=0.3)  # independent columns were synthesised
    reliable = evaluation["smallest_reliable_group"]
    assert reliable.value > 0  # the noise of towns is known from the record of the run
    assert any("learned from real rows" in sentence for sentence in findings(evaluation))
    assert report._repr_html_()


def test_the_folder_is_for_its_owner(report: Report, tmp_path: Path) -> None:
    page = report.save(tmp_path / "mine")
    assert page.name == "CONFIDENTIAL-curator-report.html"
    assert "Rows in one projection" in page.read_text()
    results = page.with_suffix(".json")
    assert json.loads(results.read_text())["disclosure"]["kind"] == "confidential"
    assert {stat.S_IMODE(path.stat().st_mode) for path in (page, results)} == {0o600}


def test_without_holdout_target_and_guarantee_it_says_what_is_not_known() -> None:
    real = people(200)
    found = evaluate(real, independent(real), SCHEMA, quick=True).evaluation
    assert math.isnan(found["certified_advantage"].value)
    assert found["certified_advantage"].note
    assert "tstr_logistic" not in [result.name for result in found.results]


def test_a_wrong_name_is_told_before_the_work() -> None:
    real = people(20)
    for wrong in ({"target": "height"}, {"protected": ["height"]}, {"sensitive": ["height"]}):
        with pytest.raises(DataError, match="no column 'height'"):
            evaluate(real, real, SCHEMA, **wrong)


def test_the_card_takes_what_is_publishable(report: Report) -> None:
    with Ledger.in_memory() as ledger:
        fitted = fit_table(
            people(50),
            schema=SCHEMA,
            generator=Independent(),
            budget=Budget(epsilon=1.0, delta=1e-6),
            ledger=ledger,
            dataset="people",
        )
    text = release_card(fitted.guarantee, report.evaluation.publishable())
    assert "Largest advantage of any attack" in text
    assert "tvd" not in text
