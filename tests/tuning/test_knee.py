from __future__ import annotations

from tuning.points import point

from dpsynth.tuning import knee

SHARP = {0.1: 0.5, 0.3: 0.7, 1.0: 0.89, 3.0: 0.9, 10.0: 0.91}


def test_the_knee_is_a_range_around_where_the_curve_bends() -> None:
    found = knee([point("mst", epsilon, [value]) for epsilon, value in SHARP.items()], "k_marginal")
    assert found is not None
    assert 0.3 < found.low < 1.0 < found.high < 3.0
    assert "between" in found.in_words()


def test_wide_bands_widen_it() -> None:
    sharp = knee([point("mst", epsilon, [value]) for epsilon, value in SHARP.items()], "k_marginal")
    points = [point("mst", epsilon, [value - 0.1, value, value + 0.1]) for epsilon, value in SHARP.items()]
    wide = knee(points, "k_marginal")
    assert sharp is not None
    assert wide is not None
    assert wide.low < sharp.low
    assert wide.high > sharp.high


def test_a_curve_that_does_not_rise_or_has_two_points_has_none() -> None:
    assert knee([point("mst", epsilon, [0.5]) for epsilon in (0.1, 1.0, 10.0)], "k_marginal") is None
    assert knee([point("mst", epsilon, [epsilon]) for epsilon in (0.1, 1.0)], "k_marginal") is None
