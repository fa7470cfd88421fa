"""Against OpenDP's exact discrete samplers. The laws differ, by less than these samples can show at scale 50."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.mechanisms._noise import rounded_gaussian, rounded_laplace

DRAWS = 60_000
SCALE = 50.0


@pytest.fixture(scope="module")
def peer() -> dict[str, np.ndarray]:
    import opendp.prelude as dp

    dp.enable_features("contrib")
    domain = dp.vector_domain(dp.atom_domain(T="i64"))
    zeros = [0] * DRAWS
    gaussian = dp.m.make_gaussian(domain, dp.l2_distance(T="f64"), scale=SCALE)
    laplace = dp.m.make_laplace(domain, dp.l1_distance(T="i64"), scale=SCALE)
    return {"gaussian": np.array(gaussian(zeros)), "laplace": np.array(laplace(zeros))}


@pytest.mark.parametrize(("law", "draw"), [("gaussian", rounded_gaussian), ("laplace", rounded_laplace)])
def test_large_scales_agree_with_opendp(law: str, draw, peer: dict[str, np.ndarray], alike) -> None:
    theirs = peer[law]
    assert alike(draw(SCALE, DRAWS), theirs)
    for factor in (0.8, 1.25):
        assert not alike(draw(factor * SCALE, DRAWS), theirs)
    assert np.std(draw(SCALE, DRAWS)) == pytest.approx(np.std(theirs), rel=0.05)
