from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms import _noise
from dpsynth.mechanisms._noise import rounded_gaussian, rounded_laplace

DRAWS = {"gaussian": rounded_gaussian, "laplace": rounded_laplace}


def tail(law: str, point: mpmath.mpf) -> mpmath.mpf:
    return mpmath.erfc(point / mpmath.sqrt(2)) if law == "gaussian" else mpmath.exp(-point)


def reference_cell(law: str, scale: float, u: mpmath.mpf) -> int:
    """The cell of the magnitude with tail probability `u`, by another library and another route."""
    point = mpmath.sqrt(2) * mpmath.erfinv(1 - u) if law == "gaussian" else -mpmath.log(u)
    cell = int(mpmath.floor(point * mpmath.mpf(scale) + mpmath.mpf("0.5")))
    edges = [(cell - mpmath.mpf("0.5")) / scale, (cell + mpmath.mpf("0.5")) / scale]
    assert tail(law, edges[1]) < u
    assert cell == 0 or u <= tail(law, edges[0])
    return cell


def uniform(*words: int) -> mpmath.mpf:
    """The number whose binary digits are 63 bits of the first word and all of the others."""
    value = mpmath.mpf(words[0] >> 1) / 2**63
    for place, word in enumerate(words[1:], start=1):
        value += mpmath.mpf(word) / mpmath.mpf(2) ** (63 + 64 * place)
    return value


@pytest.mark.parametrize("law", DRAWS)
@pytest.mark.parametrize("scale", [0.1, 1.0, 3.7, 1e3, 1e6, 2.0**39])
def test_draws_follow_their_words(law: str, scale: float, scripted) -> None:
    rng = np.random.default_rng(3)
    words = [int(word) for word in rng.integers(0, 2**64, 40, dtype=np.uint64)]
    more = [int(word) for word in rng.integers(0, 2**64, 400, dtype=np.uint64)]
    with scripted(*words, *more):
        drawn = DRAWS[law](scale, len(words))
    with mpmath.workprec(300):
        cells = [reference_cell(law, scale, uniform(word, 2**63)) for word in words]
    signs = [-1 if word & 1 else 1 for word in words]
    assert drawn.tolist() == [sign * cell for sign, cell in zip(signs, cells, strict=True)]


@pytest.mark.parametrize("law", DRAWS)
@pytest.mark.parametrize("scale", [0.4, 1.0, 50.0, 1e6])
@pytest.mark.parametrize("cell", [0, 1, 2])
def test_a_prefix_on_an_edge_is_decided_by_the_bits_that_follow(
    law: str, scale: float, cell: int, scripted
) -> None:
    with mpmath.workprec(400):
        digits = int(
            mpmath.floor(tail(law, (cell + mpmath.mpf("0.5")) / scale) * mpmath.mpf(2) ** (63 + 128))
        )
    prefix, second, third = digits >> 128, (digits >> 64) % 2**64, digits % 2**64
    word = prefix << 1
    scripts = {
        (word, second - 1): cell + 1,  # less tail probability is left: further out
        (word, second + 1): cell,
        (word, second, third - 1): cell + 1,
        (word, second, third + 1): cell,
        (word - 2,): cell + 1,
        (word + 2,): cell,
        (word + 1, second - 1): -(cell + 1),
        (word + 1, second + 1): -cell,
    }
    for words, expected in scripts.items():
        with scripted(*words) as source:
            assert DRAWS[law](scale, 1).tolist() == [expected]
            assert source.left == []


@pytest.mark.parametrize("law", DRAWS)
def test_a_float_sampler_cannot_tell_the_two_sides_of_an_edge(law: str) -> None:
    # The broken twin of the test above: plain inversion in doubles rounds both neighbours alike.
    with mpmath.workprec(200):
        edge = int(mpmath.floor(tail(law, mpmath.mpf("0.5") / 50) * 2**63))
    quantile = {"gaussian": _noise._gaussian_quantile, "laplace": _noise._laplace_quantile}[law]
    naive = [round(50 * float(quantile(np.array([p * 2.0**-63]))[0])) for p in (edge - 1, edge + 1)]
    assert naive[0] == naive[1]


@pytest.mark.parametrize("law", DRAWS)
@pytest.mark.parametrize("scale", [0.001, 1.0, 1e4])
def test_the_deepest_tail_reads_on(law: str, scale: float, scripted) -> None:
    words = (0, 0, 0, 1 << 63, 12345)
    with scripted(*words):
        drawn = int(DRAWS[law](scale, 1)[0])
    with mpmath.workprec(600):
        assert drawn == reference_cell(law, scale, uniform(*words))


@pytest.mark.parametrize("law", DRAWS)
def test_tails_beyond_the_range_of_doubles_are_reached(law: str, scripted) -> None:
    words = (*[0] * 17, 1 << 63, 999)
    with scripted(*words):
        drawn = int(DRAWS[law](0.25, 1)[0])
    with mpmath.workprec(1600):
        u = uniform(*words)
        assert tail(law, (drawn + mpmath.mpf("0.5")) * 4) < u <= tail(law, (drawn - mpmath.mpf("0.5")) * 4)


@pytest.mark.parametrize("law", DRAWS)
@pytest.mark.parametrize("scale", [0.3, 20.0, 1e6, 1e9])
def test_the_filter_and_the_exact_path_agree(law: str, scale: float, scripted, monkeypatch) -> None:
    rng = np.random.default_rng(11)
    words = [int(word) for word in rng.integers(2**48, 2**64, 400, dtype=np.uint64)]
    with scripted(*words, *[2**63] * 50):
        filtered = DRAWS[law](scale, 400)
    monkeypatch.setattr(_noise, "_SLACK", 1.0 / scale)  # leaves nothing to the filter
    with scripted(*words, *[2**63] * 50):
        exact = DRAWS[law](scale, 400)
    np.testing.assert_array_equal(filtered, exact)


def test_the_filter_leaves_open_what_it_says() -> None:
    settled = []
    original = _noise._settle

    def counted(*args) -> int:
        settled.append(args)
        return original(*args)

    patch = pytest.MonkeyPatch()
    patch.setattr(_noise, "_settle", counted)
    try:
        rounded_gaussian(1.0, 2**20)
    finally:
        patch.undo()
    # 2^-17 of 2^20 draws are 8; a Poisson count of mean 8 exceeds 50 with probability below 1e-22.
    assert len(settled) <= 50


@pytest.mark.parametrize("law", DRAWS)
def test_the_float_quantiles_keep_the_promised_accuracy(law: str) -> None:
    # The error analysis in _noise allows 2^-46.4 for the function; a quarter of that is held here.
    rng = np.random.default_rng(2)
    u = np.concatenate(
        [
            2.0 ** -rng.uniform(0, 17, 1500),
            1 - 2.0 ** -rng.uniform(1, 53, 300),
            2 * math.exp(-2) * (1 + rng.uniform(-1e-7, 1e-7, 100)),  # where ndtri changes its formula
            [2.0**-17, 0.5, 1 - 2.0**-53],
        ]
    )
    quantile = {"gaussian": _noise._gaussian_quantile, "laplace": _noise._laplace_quantile}[law]
    with mpmath.workprec(150):
        for value, point in zip(u.tolist(), quantile(u).tolist(), strict=True):
            density = 2 * mpmath.npdf(point) if law == "gaussian" else mpmath.exp(-point)
            assert abs(tail(law, mpmath.mpf(point)) - mpmath.mpf(value)) / density < 2.0**-48


@pytest.mark.parametrize("draw", DRAWS.values())
def test_noise_is_int64_of_the_asked_size(draw) -> None:
    for size in (0, 1, _noise._CHUNK - 1, _noise._CHUNK, 2 * _noise._CHUNK + 7):
        noise = draw(3.0, size)
        assert noise.dtype == np.int64
        assert noise.shape == (size,)


@pytest.mark.parametrize("draw", DRAWS.values())
def test_very_small_scales_are_allowed_and_give_zero(draw) -> None:
    assert not draw(1e-300, 10_000).any()


@pytest.mark.parametrize("draw", DRAWS.values())
@pytest.mark.parametrize("scale", [0.0, -1.0, math.inf, math.nan, "1", True, 2.0**40])
def test_impossible_scales_are_refused(draw, scale: object) -> None:
    with pytest.raises(ConfigurationError, match="noise scale"):
        draw(scale, 1)
