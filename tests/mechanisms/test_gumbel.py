from __future__ import annotations

import mpmath
import numpy as np
import pytest
from mpmath.ctx_iv import MPIntervalContext

from dpsynth.mechanisms import _gumbel
from dpsynth.mechanisms._gumbel import choose


def scores(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def word(v: float) -> int:
    return int(v * 2**63) << 1


def test_the_largest_noisy_score_wins(scripted) -> None:
    # Gumbel noise of v is -log(-log(1 - v)): small v means large noise.
    v = [0.3, 0.9, 0.02, 0.5]
    noise = [-np.log(-np.log1p(-x)) for x in v]
    for values in ([0, 0, 0, 0], [4, 0, -9, 2], [0, 12, 1, 1]):
        with scripted(*map(word, v)) as source:
            chosen = choose(scores(*values), 1.5, 1)
            assert source.left == []
        assert chosen == int(np.argmax(np.array(values) * 0.75 + noise))


def test_sensitivity_and_epsilon_scale_the_scores(scripted) -> None:
    v = (0.5, 0.1)  # noise 0.37 and 2.25: candidate 0 needs a lead of 1.88
    with scripted(*map(word, v)):
        assert choose(scores(4, 0), 1.0, 1) == 0
    with scripted(*map(word, v)):
        assert choose(scores(4, 0), 1.0, 2) == 1
    with scripted(*map(word, v)):
        assert choose(scores(4, 0), 2.0, 2) == 0


def test_equal_prefixes_read_on_until_one_is_ahead(scripted) -> None:
    same = word(0.25)
    with scripted(same, same, 9, 4) as source:
        assert choose(scores(7, 7), 1.0, 1) == 1
        assert source.left == []
    with scripted(same, same, 5, 5, 0, 7) as source:
        assert choose(scores(7, 7), 1.0, 1) == 0
        assert source.left == []


def test_a_clear_loser_is_dropped_from_the_exact_comparison(scripted) -> None:
    same = word(0.25)
    with scripted(same, word(0.9), same, 9, 3) as source:
        assert choose(scores(0, 0, 0), 1.0, 1) == 2
        assert source.left == []


def test_a_candidate_drops_out_of_the_exact_comparison_once_it_is_behind(scripted) -> None:
    same, near = word(0.25), word(0.25) + 8  # within the float bound, and surely behind in intervals
    with scripted(same, same, near, 9, 3) as source:
        assert choose(scores(0, 0, 0), 1.0, 1) == 1
        assert source.left == []


def test_intervals_enclose_the_noisy_score_closely() -> None:
    rng = np.random.default_rng(1)
    for _ in range(30):
        prefix = int(rng.integers(2**40, 2**63))
        behind = int(rng.integers(-50, 1))
        iv = MPIntervalContext()
        iv.prec = 127
        value = _gumbel._interval(iv, prefix, 63, behind, (1.25, 3))
        low, high = (mpmath.make_mpf(end) for end in value._mpi_)
        with mpmath.workprec(200):
            least, most = (
                -mpmath.log(-mpmath.log(1 - mpmath.mpf(p) / 2**63)) + mpmath.mpf(behind) * 1.25 / 6
                for p in (prefix + 1, prefix)
            )
            assert low < least < low + mpmath.mpf(2) ** -80
            assert high - mpmath.mpf(2) ** -80 < most < high


def test_extreme_words_stay_comparable(scripted) -> None:
    lowest, highest = 2**64 - 1, 0  # v just below 1: least noise; v = 0: noise without bound so far
    with scripted(lowest, highest) as source:
        assert choose(scores(0, 0), 1.0, 1) == 1
        assert source.left == []
    with scripted(highest, highest, 1, 2**64 - 1) as source:
        assert choose(scores(0, 0), 1.0, 1) == 0
    with scripted(lowest, lowest, 0, 2**64 - 1):
        assert choose(scores(0, 0), 1.0, 1) == 0


def test_one_candidate_needs_no_luck(scripted) -> None:
    with scripted(0):
        assert choose(scores(-5), 1.0, 1) == 0


@pytest.mark.parametrize("top", [0, 2**61, -(2**61)])
def test_the_common_level_of_the_scores_does_not_matter(top: int, scripted) -> None:
    with scripted(word(0.4), word(0.3), word(0.6)):
        assert choose(scores(top, top - 1, top - 2), 1.0, 1) == 0
