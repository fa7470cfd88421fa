"""What an attack achieves: scores of members and of outsiders, told as rates beside the certified limit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dpsynth.errors import ConfigurationError
from dpsynth.evaluation.ceilings import Limits
from dpsynth.evaluation.intervals import Interval, area, difference_of_shares, exact_share
from dpsynth.evaluation.results import Part, Result

__all__ = ["NO_PROOF", "Attack"]

NO_PROOF = "A measured attack can show a leak; that it finds nothing is no proof of privacy."

Floats = np.ndarray[Any, np.dtype[np.float64]]

_FALSE_ALARMS = 0.01


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Attack:
    """Scores: the higher, the surer the attacker is that a row was in the training table.

    Attributes:
        members: Of training rows.
        others: Of rows that the generator has not seen.
    """

    members: Floats
    others: Floats

    def __post_init__(self) -> None:
        for scores in (self.members, self.others):
            if not np.isfinite(scores).all():
                raise ConfigurationError("Expected finite scores for members and others.")

    def area(self) -> tuple[float, Interval]:
        """The area under the curve: how often a member scores above an outsider, ties half."""
        return area(self.members, self.others)

    def advantage(self, rng: np.random.Generator) -> tuple[float, Interval]:
        """True minus false positive rate at the best threshold.

        The best threshold of some scores looks better on these than on others. So it is chosen on one half
        and counted on the other, both ways round; without that, chance alone would look like an attack.
        """
        if min(len(self.members), len(self.others)) < 2:
            return math.nan, (math.nan, math.nan)
        halves = [_halves(scores, rng) for scores in (self.members, self.others)]
        caught, accused = 0, 0
        for chosen in (0, 1):
            threshold = _best(halves[0][chosen], halves[1][chosen])
            caught += int((halves[0][1 - chosen] >= threshold).sum())
            accused += int((halves[1][1 - chosen] >= threshold).sum())
        counts = (caught, len(self.members)), (accused, len(self.others))
        return caught / counts[0][1] - accused / counts[1][1], difference_of_shares(*counts)

    def caught(self, false_alarms: float = _FALSE_ALARMS) -> tuple[float, Interval]:
        """The share of members found at the lowest threshold that accuses no more others than allowed.

        The interval is that of Clopper and Pearson for this threshold. Scores that others share are not
        split: whoever has such a score is accused with them. NaN if there are too few others to speak of
        such a rate: fewer than one over it.
        """
        if not len(self.members) or len(self.others) < 1 / false_alarms:
            return math.nan, (math.nan, math.nan)
        allowed = math.floor(false_alarms * len(self.others))
        first_too_many = np.sort(self.others)[::-1][allowed]
        hits = int((self.members > first_too_many).sum())
        return hits / len(self.members), exact_share(hits, len(self.members))

    def results(
        self, name: str, title: str, *, limits: Limits, rng: np.random.Generator, note: str, seed: int
    ) -> tuple[Result, ...]:
        """Area, advantage and share of members found at 1 % false alarms, each beside what is certified."""
        told: tuple[tuple[str, str, Callable[[], tuple[float, Interval]], float, float], ...] = (
            ("auc", "area under the curve", self.area, 0.5, limits.area),
            ("advantage", "advantage", lambda: self.advantage(rng), 0.0, limits.advantage),
            ("tpr_1", "found at 1 % false alarms", self.caught, 0.01, limits.tpr_at_1_percent),
        )
        found = []
        for kind, words, measure, guess, limit in told:
            value, interval = measure()
            why = f" Too few rows: {len(self.others)} others." if math.isnan(value) else ""
            found.append(
                Result(
                    name=f"{name}_{kind}",
                    family="privacy",
                    title=f"{title}: {words}",
                    value=value,
                    ceiling=guess,
                    interval=None if math.isnan(value) else interval,
                    rows=len(self.members) + len(self.others),
                    seed=seed,
                    note=f"{NO_PROOF} {note}{why} {_told(limit)}",
                    parts=(Part(label=("certified limit",), value=limit),),
                )
            )
        return tuple(found)


def _told(limit: float) -> str:
    if math.isnan(limit):
        return "No guarantee limits it."
    return f"By the guarantee no attack exceeds {limit:.4g} on average over runs."


def _halves(scores: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    mixed = rng.permutation(np.sort(scores))
    return mixed[::2], mixed[1::2]


def _best(members: Floats, others: Floats) -> float:
    """The threshold with the largest true minus false positive rate; from it on a row is accused."""
    levels = np.unique(np.concatenate([members, others]))
    caught = 1 - np.searchsorted(np.sort(members), levels, side="left") / len(members)
    accused = 1 - np.searchsorted(np.sort(others), levels, side="left") / len(others)
    return float(levels[np.argmax(caught - accused)])
