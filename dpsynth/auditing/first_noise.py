"""What a fresh process draws first, in hexadecimal: `python -m dpsynth.auditing.first_noise`.

Two processes that print the same have drawn their noise from a seed.
"""

from __future__ import annotations

import sys

import numpy as np

from dpsynth.auditing.recorded import asked_again
from dpsynth.auditing.worst_cases import skewed
from dpsynth.mechanisms import GaussianMechanism, Marginal

__all__ = ["first_noise"]


def first_noise() -> bytes:
    """Noisy counts of all cells of a made-up table, with a sigma of 100."""
    made = skewed()
    asked = GaussianMechanism(queries=(Marginal(columns=made.names),), mus=(0.01,))
    (measurement,) = asked_again(asked, made, times=1)
    return np.ascontiguousarray(measurement.values[0]).tobytes()


if __name__ == "__main__":
    sys.stdout.write(first_noise().hex())
