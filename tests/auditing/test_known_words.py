"""Known words show exact answers and the scale of noise; made-up units move answers as far as they may."""

from __future__ import annotations

import logging
import warnings

import numpy as np
import pytest

from dpsynth.auditing.exact_answers import exact, loud, rows_of
from dpsynth.auditing.known_words import LOUD, LOUD_GAUSSIAN, LOUD_LAPLACE, SILENT, Heard, gumbel_word
from dpsynth.auditing.made_up import Neighbours, grounds
from dpsynth.auditing.recording import told
from dpsynth.mechanisms import GaussianMechanism, LaplaceMechanism, Marginal, Total
from dpsynth.mechanisms._gumbel import choose
from dpsynth.mechanisms._noise import rounded_gaussian, rounded_laplace, tainted
from dpsynth.testing.insecure import insecure_words

PAIR = Marginal(columns=("colour", "member"))
GAUSSIAN = GaussianMechanism(queries=(PAIR, Total()), mus=(0.5, 0.25))
LAPLACE = LaplaceMechanism(queries=(PAIR,), epsilons=(0.5,))


@pytest.mark.parametrize("scale", [0.3, 17.0, 1e6, 1e9])
def test_silent_words_add_nothing_and_loud_ones_a_known_amount(scale: float) -> None:
    for draw, most in ((rounded_gaussian, LOUD_GAUSSIAN), (rounded_laplace, LOUD_LAPLACE)):
        with insecure_words(SILENT):
            assert tainted()
            assert not draw(scale, 9).any()
        with insecure_words(LOUD):
            assert draw(scale, 9) == pytest.approx(np.full(9, most * scale), rel=1e-5, abs=0.5)


def test_words_are_counted_when_they_are_heard() -> None:
    heard = Heard(SILENT)
    with insecure_words(heard):
        rounded_gaussian(2.0, 5)
    assert heard.log == [("noise", 5)]


@pytest.mark.parametrize(("ahead", "chosen"), [(3.99, 0), (4.01, 1)])
def test_the_word_of_a_candidate_sets_its_noise(ahead: float, chosen: int) -> None:
    class Given:
        def words(self, count: int) -> np.ndarray:
            return np.array([gumbel_word(0.0), gumbel_word(ahead)][:count], dtype=np.uint64)

    with insecure_words(Given()):
        assert choose(np.array([8, 0]), epsilon=1.0, sensitivity=1) == chosen


@pytest.mark.parametrize("ground", grounds(), ids=lambda ground: ground.name)
def test_the_made_up_units_reach_the_declared_sensitivities(ground: Neighbours) -> None:
    unit, schema = ground.schema.unit, ground.schema
    answers = {name: exact([GAUSSIAN, LAPLACE], schema, frame) for name, frame in ground.tables.items()}
    moves = [answers[one][0][0] - answers[two][0][0] for one, two in ground.pairs]
    assert max(np.abs(move).sum() for move in moves) == PAIR.sensitivity(unit).l1
    assert max(np.linalg.norm(move) for move in moves) == pytest.approx(PAIR.sensitivity(unit).l2)
    totals = [abs(int(answers[one][0][1][0] - answers[two][0][1][0])) for one, two in ground.pairs]
    assert max(totals) == Total().sensitivity(unit).l2


def test_loud_answers_show_the_scale_of_every_query() -> None:
    ground = grounds()[0]
    frame, schema = ground.tables["base"], ground.schema
    (plain,) = exact([GAUSSIAN], schema, frame)
    (noisy,), (words,) = loud([GAUSSIAN], schema, frame)
    sigmas = GAUSSIAN.sigmas(schema.unit)
    for one, two, sigma in zip(noisy, plain, sigmas, strict=True):
        assert set(one - two) == {round(LOUD_GAUSSIAN * sigma)}
    assert words == sum(values.size for values in plain)


def test_rows_that_the_schema_drops_are_not_seen() -> None:
    ground = grounds()[0]
    seen = {name: rows_of(ground.schema, ground.tables[name]) for name in ("without", "base", "dropped")}
    assert seen == {"without": 60, "base": 61, "dropped": 60}


def test_all_that_is_said_is_heard(capsys: pytest.CaptureFixture[str]) -> None:
    spoken: list[str] = []
    with told(spoken):
        print("printed")
        warnings.warn("warned", stacklevel=1)
        logging.getLogger("dpsynth").debug("logged")
    assert sorted(word.strip() for word in spoken) == ["logged", "printed", "warned"]
    assert capsys.readouterr().out == ""
