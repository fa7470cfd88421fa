"""The rounded laws at the right scale, and at no other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import erfc, ndtr

from dpsynth.mechanisms import _keystream
from dpsynth.mechanisms._keystream import KeyStream
from dpsynth.mechanisms._noise import rounded_gaussian, rounded_laplace

DRAWS = 2**20
LAWS = {"gaussian": rounded_gaussian, "laplace": rounded_laplace}
law_and_scale = pytest.mark.parametrize(
    ("law", "scale"), [(law, scale) for law in LAWS for scale in (0.3, 1.0, 7.3, 1e3, 1e6)]
)


def distribution(law: str, point: np.ndarray) -> np.ndarray:
    """P(N <= point) for the continuous law at scale one."""
    if law == "gaussian":
        return ndtr(point)
    return np.where(point < 0, np.exp(-np.abs(point)) / 2, 1 - np.exp(-np.abs(point)) / 2)


def edges_for(scale: float) -> np.ndarray:
    """Whole numbers between -6 and 6 scales, at most 161 of them."""
    return np.unique(np.rint(np.linspace(-6, 6, 161) * max(scale, 0.5)))


def cells(draws: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.bincount(np.searchsorted(edges, draws, side="right"), minlength=edges.size + 1)


def probabilities(law: str, scale: float, edges: np.ndarray) -> np.ndarray:
    below = distribution(law, (edges - 0.5) / scale)
    return np.diff(np.concatenate([[0.0], below, [1.0]]))


@law_and_scale
def test_the_law_is_the_rounded_one_at_its_scale_only(law: str, scale: float, fits) -> None:
    edges = edges_for(scale)
    counts = cells(LAWS[law](scale, DRAWS), edges)
    assert fits(counts, probabilities(law, scale, edges))
    for factor in (0.8, 0.95, 1.05, 1.25):
        assert not fits(counts, probabilities(law, factor * scale, edges))
    other = "laplace" if law == "gaussian" else "gaussian"
    assert not fits(counts, probabilities(other, scale, edges))


@pytest.mark.parametrize("law", LAWS)
def test_a_truncating_sampler_would_be_noticed(law: str, fits) -> None:
    # The broken twin: cutting off the fraction instead of rounding makes zero twice too likely.
    edges = edges_for(7.3)
    rng = np.random.default_rng(1)
    continuous = rng.normal(0, 7.3, DRAWS) if law == "gaussian" else rng.laplace(0, 7.3, DRAWS)
    assert fits(cells(np.rint(continuous), edges), probabilities(law, 7.3, edges))
    assert not fits(cells(np.trunc(continuous), edges), probabilities(law, 7.3, edges))


@pytest.mark.parametrize("law", LAWS)
def test_successive_draws_are_independent(law: str, fits) -> None:
    draws = LAWS[law](100.0, DRAWS)
    classes = np.searchsorted(np.quantile(draws, np.linspace(0, 1, 9)[1:-1]), draws)
    shares = np.bincount(classes, minlength=8) / DRAWS
    for lag in (1, 2, 2**14, 2**15, 2**16):  # within a block of words, and across blocks
        pairs = np.bincount(classes[:-lag] * 8 + classes[lag:], minlength=64)
        assert fits(pairs, np.outer(shares, shares).ravel())
    repeated = np.repeat(classes[: DRAWS // 2], 2)  # the broken twin: each draw used twice
    assert not fits(
        np.bincount(repeated[:-1] * 8 + repeated[1:], minlength=64), np.outer(shares, shares).ravel()
    )


@pytest.mark.parametrize("law", LAWS)
def test_sign_and_magnitude_are_independent(law: str, fits) -> None:
    draws = LAWS[law](1e4, DRAWS)
    draws = draws[draws != 0]
    large = np.abs(draws) > np.median(np.abs(draws))
    counts = np.bincount(2 * large + (draws > 0), minlength=4)
    share = large.mean()
    assert fits(counts, np.array([1 - share, 1 - share, share, share]) / 2)


class TailWords:
    """Random words whose first 17 magnitude bits are zero: only the exact path can answer them."""

    def __init__(self) -> None:
        self._stream, self._first = KeyStream(), True

    def words(self, count: int) -> np.ndarray:
        words = self._stream.words(count)
        if self._first:
            self._first = False
            return (words & np.uint64(2**47 - 2)) | (words >> np.uint64(63))
        return words


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("scale", [0.3, 1.0, 40.0])
def test_the_exact_path_draws_the_tail(law: str, scale: float, fits) -> None:
    token = _keystream._insecure.set(TailWords())
    try:
        draws = LAWS[law](scale, 4000)
    finally:
        _keystream._insecure.reset(token)
    sizes = np.abs(draws)
    counts = np.bincount(np.minimum(sizes, 3000), minlength=3001)

    def conditional(scale: float) -> np.ndarray:
        point = (np.arange(3001) - 0.5) / scale
        beyond = erfc(point / np.sqrt(2)) if law == "gaussian" else np.exp(-point)
        # 63 - 46 = 17: the mask leaves 46 bits of U, so U is uniform below 2^-17.
        return -np.diff(np.concatenate([np.minimum(1.0, beyond * 2.0**17), [0.0]]))

    assert fits(counts, conditional(scale))
    assert fits(np.array([(draws > 0).sum(), (draws < 0).sum()]), np.array([0.5, 0.5]))
    if scale == 40.0:  # the others have too few cells to tell
        for factor in (0.8, 0.95, 1.05, 1.25):
            assert not fits(counts, conditional(factor * scale))
