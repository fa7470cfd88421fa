"""The Laplace mechanism for counting queries, on the integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dpsynth.mechanisms._additive import CountQuery, check_parameters, noisy_answers, rounded_deviation
from dpsynth.mechanisms._noise import check_scale, rounded_laplace
from dpsynth.mechanisms._outward import quotient_up, sum_up
from dpsynth.mechanisms.base import Json, Measurement
from dpsynth.mechanisms.queries import described
from dpsynth.privacy.events import LaplaceEvent

if TYPE_CHECKING:
    from dpsynth.mechanisms.encoded import EncodedTable
    from dpsynth.privacy.unit import Unit
    from dpsynth.schema.layout import Domain

__all__ = ["LaplaceMechanism", "laplace_scale"]


def laplace_scale(query: CountQuery, epsilon: float, unit: Unit) -> float:
    """The scale of the continuous Laplace noise: L1 sensitivity / epsilon, rounded up."""
    l1 = query.sensitivity(unit).l1
    check_scale(l1 / epsilon)
    return quotient_up(l1, epsilon)


@dataclass(frozen=True, kw_only=True, slots=True)
class LaplaceMechanism:
    """Answers each query with rounded Laplace noise on every cell.

    Attributes:
        queries: What is asked.
        epsilons: For each query its L1 sensitivity divided by the scale of its noise.

    Privacy: unit as given to `run`. Query i has L1 sensitivity D_i under the unit and scale
        b_i >= D_i / epsilon_i; the shifts, each in units of its scale, add up to at most epsilon =
        sum epsilon_i, rounded up (Dwork et al., 2006). No shift over several coordinates is easier to
        see than the same sum in one: going coordinate by coordinate, trade-off functions compose
        (Dong, Roth and Su, 2022, Lemma A.5), and those of a log-concave noise compose to that of the
        summed shift. Rounding is post-processing (see `_noise`). Event: `LaplaceEvent(epsilon)`.
    """

    queries: tuple[CountQuery, ...]
    epsilons: tuple[float, ...]

    def __post_init__(self) -> None:
        check_parameters("epsilons", self.queries, self.epsilons)

    def event(self) -> LaplaceEvent:
        """The price: sum of the epsilons, rounded up."""
        return LaplaceEvent(epsilon=sum_up(self.epsilons))

    def describe(self) -> Json:
        """Public JSON; each distinct map from codes to buckets once."""
        told: Json = {"type": "laplace-mechanism/1", "epsilons": [float(each) for each in self.epsilons]}
        return told | described(self.queries)

    def scales(self, unit: Unit) -> tuple[float, ...]:
        """For each query the scale of its continuous noise; needs no data."""
        return tuple(laplace_scale(q, e, unit) for q, e in zip(self.queries, self.epsilons, strict=True))

    def check(self, domain: Domain, unit: Unit) -> None:
        """Refuse what cannot run, before anything is spent; needs no data."""
        self.scales(unit)
        for query in self.queries:
            query.check(domain)

    def run(self, table: EncodedTable, unit: Unit) -> Measurement:
        """Evaluate and add noise. Called by a session only, after the price is reserved."""
        self.check(table.domain, unit)
        scales = self.scales(unit)
        return Measurement(
            mechanism=self.describe(),
            event=self.event(),
            values=noisy_answers(table, self.queries, scales, rounded_laplace),
            sigmas=tuple(rounded_deviation(2 * scale**2) for scale in scales),
        )
