"""The guarantee that travels with every sample set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dpsynth._version import __version__
from dpsynth.errors import StorageError
from dpsynth.privacy.accountant import price
from dpsynth.privacy.events import Event, event_from_json
from dpsynth.privacy.risk import Risk, risk, risk_of_pairs
from dpsynth.privacy.unit import Unit

__all__ = ["Guarantee", "LedgerPosition"]

_KIND = "dpsynth-guarantee/1"


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerPosition:
    """Where the ledger stood after the run: the last entry's number and digest."""

    sequence: int
    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Guarantee:
    """What was promised, to whom, and what spent it.

    Attributes:
        epsilon: The run is (epsilon, delta)-differentially private for `unit`.
        delta: See epsilon.
        engine: The accountant whose bound this is.
        unit: Unit of privacy and neighbouring relation.
        dataset: Name of the ledger account that paid.
        partition: The part of its people that the run read; None for all.
        method: Generator.
        events: Everything that touched the data, in order.
        labels: What each event was for.
        adaptive: Whether parameters of later events depended on earlier answers.
        ledger: Where the ledger stood afterwards.
        plan_digest: What was committed before the first draw.
        taints: Reasons why this run can never be certified; empty if there is none.
        version: Version of dpsynth.
    """

    epsilon: float
    delta: float
    engine: str
    unit: Unit
    dataset: str
    method: str
    events: tuple[Event, ...]
    labels: tuple[str, ...]
    adaptive: bool
    ledger: LedgerPosition
    plan_digest: str
    taints: tuple[str, ...] = ()
    partition: str | None = None
    version: str = __version__

    @property
    def certifiable(self) -> bool:
        """Whether nothing bars this run from being certified."""
        return not self.taints

    def risk(self) -> Risk:
        """What the guarantee means for one person, from the whole trade-off curve."""
        if self.adaptive:
            # Later parameters followed earlier answers: what was committed is known, its curve is not.
            return risk_of_pairs(((self.epsilon, self.delta),))
        return risk(self.events, delta=self.delta)

    def in_words(self) -> str:
        """The guarantee in a few plain sentences."""
        lines = [
            f"These rows are synthetic. They are ({self.epsilon:.4g}, {self.delta:.1g})-differentially "
            f"private with respect to {self.unit}.",
            *self.risk().sentences,
        ]
        lines += [f"NOT CERTIFIABLE: {taint}" for taint in self.taints]
        return "\n".join(lines)

    def spending(self) -> tuple[tuple[str, int, str], ...]:
        """What was spent on what: label, how often in a row, and event."""
        lines: list[tuple[str, int, str]] = []
        for label, event in zip(self.labels, self.events, strict=True):
            if lines and (lines[-1][0], lines[-1][2]) == (label, str(event)):
                lines[-1] = (label, lines[-1][1] + 1, str(event))
            else:
                lines.append((label, 1, str(event)))
        return tuple(lines)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `from_json` reads them back."""
        return {
            "kind": _KIND,
            "epsilon": self.epsilon,
            "delta": self.delta,
            "engine": self.engine,
            "unit": asdict(self.unit),
            "dataset": self.dataset,
            "partition": self.partition,
            "method": self.method,
            "events": [event.to_json() for event in self.events],
            "labels": list(self.labels),
            "adaptive": self.adaptive,
            "ledger": asdict(self.ledger),
            "plan_digest": self.plan_digest,
            "certifiable": self.certifiable,
            "taints": list(self.taints),
            "version": self.version,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Guarantee:
        """Read a guarantee back and check that its epsilon covers its own events.

        Raises:
            StorageError: A field is missing, unknown or does not fit the events.
        """
        body = dict(data)
        if body.pop("kind", None) != _KIND:
            raise StorageError(f"Expected a guarantee of kind {_KIND!r}.")
        certifiable = body.pop("certifiable", None)
        try:
            body["unit"] = Unit(**body["unit"])
            body["events"] = tuple(event_from_json(event) for event in body["events"])
            body["labels"] = tuple(body["labels"])
            body["ledger"] = LedgerPosition(**body["ledger"])
            body["taints"] = tuple(body["taints"])
            guarantee = cls(**body)
        except (KeyError, TypeError) as error:
            raise StorageError(
                "The guarantee lacks a field, or has one that this version does not know."
            ) from error
        if certifiable is not guarantee.certifiable or not guarantee.holds():
            raise StorageError("The guarantee states less epsilon than its own events cost.")
        return guarantee

    def holds(self) -> bool:
        """Whether epsilon and delta cover the events, recomputed.

        Raises:
            MissingExtraError: It is a price by privacy loss distributions, whose package is not installed.
        """
        thorough = self.engine == "pld"
        cost = price(self.events, delta=self.delta, adaptive=self.adaptive, thorough=thorough)
        return cost.epsilon <= self.epsilon

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p><b>Guarantee</b><br>{escape(self.in_words()).replace(chr(10), '<br>')}</p>"
