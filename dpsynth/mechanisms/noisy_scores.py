"""All scores of many candidates at once, with Gaussian noise: a selection that stays a Gaussian mechanism."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms._additive import rounded_deviation
from dpsynth.mechanisms._noise import check_scale, rounded_gaussian
from dpsynth.mechanisms._outward import norm_up, quotient_up
from dpsynth.mechanisms.base import Json, Measurement
from dpsynth.mechanisms.selection import SCORES, MarginalGap
from dpsynth.privacy.events import GaussianEvent

if TYPE_CHECKING:
    from dpsynth.mechanisms.encoded import EncodedTable
    from dpsynth.privacy.unit import Unit
    from dpsynth.schema.layout import Domain

__all__ = ["NoisyScores"]


@dataclass(frozen=True, kw_only=True, slots=True)
class NoisyScores:
    """Releases the score of every candidate with rounded Gaussian noise.

    Whoever wants the best hundred of ten thousand pays once, and prices it together with Gaussian counts.

    Attributes:
        score: Rates the candidates.
        mu: L2 sensitivity of all scores together divided by sigma.

    Privacy: unit as given to `run`. Each score moves by D at most under the unit, so the vector of k
        scores moves by sqrt(k) D in L2. Scores are whole numbers; rounding their noise is
        post-processing. Event: `GaussianEvent(mu)` (Dong, Roth and Su, 2022).
    """

    score: MarginalGap
    mu: float

    def __post_init__(self) -> None:
        if type(self.score) not in SCORES:
            raise ConfigurationError(
                f"Expected a score of dpsynth.mechanisms, got {type(self.score).__name__}: only reviewed "
                "sensitivities count."
            )
        _validate.positive("mu", self.mu)

    def event(self) -> GaussianEvent:
        """The price."""
        return GaussianEvent(mu=self.mu)

    def describe(self) -> Json:
        """Public JSON."""
        return {"type": "noisy-scores/1", "score": self.score.describe(), "mu": float(self.mu)}

    def sigma(self, unit: Unit) -> float:
        """The sigma of the continuous noise on each score, rounded up; needs no data."""
        l2 = norm_up((float(self.score.sensitivity(unit)),) * len(self.score.cliques))
        check_scale(l2 / self.mu)
        return quotient_up(l2, self.mu)

    def check(self, domain: Domain, unit: Unit) -> None:
        """Refuse what cannot run, before anything is spent; needs no data."""
        self.score.check(domain)
        self.sigma(unit)

    def run(self, table: EncodedTable, unit: Unit) -> Measurement:
        """Score and add noise. Called by a session only, after the price is reserved."""
        self.check(table.domain, unit)
        sigma = self.sigma(unit)
        scores = self.score.evaluate(table)
        noisy = scores + rounded_gaussian(sigma, scores.size)
        noisy.setflags(write=False)
        return Measurement(
            mechanism=self.describe(),
            event=self.event(),
            values=(noisy,),
            sigmas=(rounded_deviation(sigma**2),),
        )
