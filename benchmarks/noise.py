"""Draws per second of the exact samplers, beside OpenDP's exact and numpy's insecure ones.

Run with `python benchmarks/noise.py`. Each figure is the median of five runs; read the ratios, which do
not depend much on the machine.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from dpsynth.mechanisms._noise import rounded_gaussian, rounded_laplace

REPEATS = 5
Draw = Callable[[int], object]


def rate(draw: Draw, size: int) -> float:
    """Median number of draws per second."""
    draw(min(size, 1000))
    rates = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        draw(size)
        rates.append(size / (time.perf_counter() - start))
    return statistics.median(rates)


def opendp(law: str, scale: float) -> Draw:
    """OpenDP's exact discrete sampler on a vector of zeros."""
    import opendp.prelude as dp

    dp.enable_features("contrib")
    domain = dp.vector_domain(dp.atom_domain(T="i64"))
    if law == "gaussian":
        mechanism = dp.m.make_gaussian(domain, dp.l2_distance(T="f64"), scale=scale)
    else:
        mechanism = dp.m.make_laplace(domain, dp.l1_distance(T="i64"), scale=scale)
    return lambda size: mechanism([0] * size)


def main() -> None:
    """Print one line for each law and scale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=2**21, help="draws in each run of ours and numpy's")
    parser.add_argument("--peer-draws", type=int, default=2**14, help="draws in each run of OpenDP's")
    parser.add_argument("--scales", type=float, nargs="+", default=[0.1, 1, 10, 100, 1e3, 1e6])
    options = parser.parse_known_args()[0]
    rng = np.random.default_rng()
    ours = {"gaussian": rounded_gaussian, "laplace": rounded_laplace}
    continuous = {"gaussian": rng.normal, "laplace": rng.laplace}
    heads = ("ours M/s", "opendp M/s", "numpy M/s", "x opendp", "x numpy")
    print(f"{'law':9}{'scale':>10}" + "".join(f"{head:>12}" for head in heads))
    for law, draw in ours.items():
        for scale in options.scales:
            mine = rate(lambda size, d=draw, s=scale: d(s, size), options.draws)
            peer = rate(opendp(law, scale), options.peer_draws)
            fast = rate(lambda size, d=continuous[law], s=scale: np.rint(d(0, s, size)), options.draws)
            print(
                f"{law:9}{scale:>10g}{mine / 1e6:>12.1f}{peer / 1e6:>12.4f}{fast / 1e6:>12.1f}"
                f"{mine / peer:>12.0f}{mine / fast:>12.2f}"
            )


if __name__ == "__main__":
    main()
