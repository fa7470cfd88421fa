"""The Gaussian mechanism for counting queries, on the integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms._additive import CountQuery, check_parameters, noisy_answers, rounded_deviation
from dpsynth.mechanisms._noise import check_scale, rounded_gaussian
from dpsynth.mechanisms._outward import norm_up, quotient_up
from dpsynth.mechanisms.base import Json, Measurement
from dpsynth.mechanisms.queries import described
from dpsynth.privacy.events import GaussianEvent

if TYPE_CHECKING:
    from dpsynth.mechanisms.encoded import EncodedTable
    from dpsynth.privacy.unit import Unit
    from dpsynth.schema.layout import Domain

__all__ = ["GaussianMechanism", "gaussian_sigma"]


def gaussian_sigma(query: CountQuery, mu: float, unit: Unit) -> float:
    """The sigma of the continuous Gaussian that answers `query` at `mu`: L2 sensitivity / mu, rounded up."""
    l2 = query.sensitivity(unit).l2
    check_scale(l2 / mu)
    return quotient_up(l2, mu)


@dataclass(frozen=True, kw_only=True, slots=True)
class GaussianMechanism:
    """Answers each query with rounded Gaussian noise on every cell.

    Attributes:
        queries: What is asked.
        mus: For each query its L2 sensitivity divided by its sigma.
        total: The stated price in mu, at least the root of the sum of squares of `mus`; None pays exactly
            that root. A plan states it where the division over the queries is known only later.

    Privacy: unit as given to `run`. Query i has L2 sensitivity D_i under the unit and noise
        sigma_i >= D_i / mu_i, so it is mu_i-GDP (Dong, Roth and Su, 2022); together they are one
        Gaussian mechanism with mu = sqrt(sum mu_i^2), rounded up. Rounding the noise of integer
        answers is post-processing (see `_noise`). What is mu-GDP is mu'-GDP for every mu' >= mu, so a
        stated `total` that is at least the exact root is a valid price too. Event: `GaussianEvent`.
    """

    queries: tuple[CountQuery, ...]
    mus: tuple[float, ...]
    total: float | None = None

    def __post_init__(self) -> None:
        check_parameters("mus", self.queries, self.mus)
        if self.total is not None and _validate.positive("total", self.total) < norm_up(self.mus):
            raise ConfigurationError(f"Expected a total that covers the mus, got {self.total!r}.")

    def event(self) -> GaussianEvent:
        """The price: the stated total, or sqrt(sum mu_i^2), rounded up."""
        return GaussianEvent(mu=norm_up(self.mus) if self.total is None else self.total)

    def describe(self) -> Json:
        """Public JSON; each distinct map from codes to buckets once."""
        told: Json = {"type": "gaussian-mechanism/1", "mus": [float(mu) for mu in self.mus]}
        told |= described(self.queries)
        return told if self.total is None else {**told, "total": float(self.total)}

    def sigmas(self, unit: Unit) -> tuple[float, ...]:
        """For each query the sigma of its continuous noise; needs no data."""
        return tuple(gaussian_sigma(q, mu, unit) for q, mu in zip(self.queries, self.mus, strict=True))

    def check(self, domain: Domain, unit: Unit) -> None:
        """Refuse what cannot run, before anything is spent; needs no data."""
        self.sigmas(unit)
        for query in self.queries:
            query.check(domain)

    def run(self, table: EncodedTable, unit: Unit) -> Measurement:
        """Evaluate and add noise. Called by a session only, after the price is reserved."""
        self.check(table.domain, unit)
        sigmas = self.sigmas(unit)
        return Measurement(
            mechanism=self.describe(),
            event=self.event(),
            values=noisy_answers(table, self.queries, sigmas, rounded_gaussian),
            sigmas=tuple(rounded_deviation(sigma**2) for sigma in sigmas),
        )
