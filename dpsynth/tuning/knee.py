"""Where more epsilon stops paying, as a range: bands are wide and grids are coarse, so it is never a point.

The knee of a curve is where it is highest above the line between its ends (Satopää and others, 2011, with
epsilon on a log axis). Any curve within the bands could be the true one. A point can be the knee of such a
curve only if its upper end is at least as high above the line as every other point's lower end is. The range
holds all those points, and reaches half-way to the next point on either side: between them nothing was run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dpsynth.tuning.result import FrontierPoint

__all__ = ["Knee", "knee"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Knee:
    """Between which epsilons the knee lies.

    Attributes:
        low: The smaller.
        high: The larger.
    """

    low: float
    high: float

    def in_words(self) -> str:
        """A phrase for pictures and pages."""
        return f"knee between epsilon = {self.low:.2g} and {self.high:.2g}"


def knee(points: Sequence[FrontierPoint], metric: str) -> Knee | None:
    """The range of one method's knee.

    Args:
        points: Of one method, by rising epsilon.
        metric: Whose curve.

    Returns:
        None for fewer than three points, or a curve that does not rise.
    """
    if len(points) < 3:
        return None
    places = [math.log(point.epsilon) for point in points]
    bands = [point.utility[metric] for point in points]
    rise = bands[-1].median - bands[0].median
    if not rise > 0:
        return None
    whole = places[-1] - places[0]
    chord = [bands[0].median + rise * (place - places[0]) / whole for place in places]
    least = max(band.low - line for band, line in zip(bands, chord, strict=True))
    possible = [i for i, band in enumerate(bands) if band.high - chord[i] >= least]
    first, last = max(possible[0] - 1, 0), min(possible[-1] + 1, len(points) - 1)
    return Knee(
        low=math.exp((places[first] + places[possible[0]]) / 2),
        high=math.exp((places[last] + places[possible[-1]]) / 2),
    )
