"""The guarantee that travels with every sample set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dpsynth import _validate
from dpsynth._version import __version__
from dpsynth.errors import StorageError
from dpsynth.privacy.accountant import price
from dpsynth.privacy.events import Event, event_from_json
from dpsynth.privacy.risk import Risk, risk
from dpsynth.privacy.unit import Unit
from dpsynth.session.plan import Commitment

__all__ = ["Guarantee", "LedgerPosition", "LedgerRecord"]

_KIND = "dpsynth-guarantee/2"


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerPosition:
    """An entry of a ledger: its number and digest."""

    sequence: int
    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerRecord:
    """Where the run stands in the ledger that paid for it.

    Attributes:
        ledger: The ledger's own random name.
        before: The last entry before the run.
        reserved: The entry that reserved the whole price.
        after: The last entry when the run was complete.
    """

    ledger: str
    before: LedgerPosition
    reserved: LedgerPosition
    after: LedgerPosition

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LedgerRecord:
        """Read back what `asdict` writes."""
        places = {name: LedgerPosition(**data[name]) for name in ("before", "reserved", "after")}
        return cls(**{**data, **places})


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
        configuration: Its settings, as `configuration_of` tells them.
        events: Everything that touched the data, in order.
        labels: What each event was for.
        committed: What was fixed, and reserved as a whole, before the first draw.
        ledger: Where the run stands in the ledger.
        taints: Reasons why this run can never be certified; empty if there is none.
        version: Version of dpsynth.
    """

    epsilon: float
    delta: float
    engine: str
    unit: Unit
    dataset: str
    method: str
    configuration: Mapping[str, Any]
    events: tuple[Event, ...]
    labels: tuple[str, ...]
    committed: Commitment
    ledger: LedgerRecord
    taints: tuple[str, ...] = ()
    partition: str | None = None
    version: str = __version__

    @property
    def certifiable(self) -> bool:
        """Whether nothing bars this run from being certified."""
        return not self.taints

    @property
    def adaptive(self) -> bool:
        """Whether parameters of later events depended on earlier answers."""
        return self.committed.adaptive

    @property
    def plan_digest(self) -> str:
        """What the ledger holds of the commitment."""
        return self.committed.digest()

    def risk(self) -> Risk:
        """What the guarantee means for one person, from the whole trade-off curve.

        For an adaptive run it is that of the whole that its filter kept to: where it stopped depends on
        the data.
        """
        return risk(self.committed.events, delta=self.delta, adaptive=self.adaptive)

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
            "configuration": dict(self.configuration),
            "events": [event.to_json() for event in self.events],
            "labels": list(self.labels),
            "committed": self.committed.to_json(),
            "ledger": asdict(self.ledger),
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
        if not isinstance(data, Mapping) or data.get("kind") != _KIND:
            raise StorageError(f"Expected a guarantee of kind {_KIND!r}.")
        body = {name: value for name, value in data.items() if name != "kind"}
        certifiable = body.pop("certifiable", None)
        try:
            body["unit"] = Unit(**body["unit"])
            body["events"] = tuple(event_from_json(event) for event in body["events"])
            body["labels"] = tuple(body["labels"])
            body["committed"] = Commitment.from_json(body["committed"])
            body["ledger"] = LedgerRecord.from_json(body["ledger"])
            body["taints"] = tuple(body["taints"])
            guarantee = cls(**body)
            _validate.non_negative("epsilon", guarantee.epsilon)
        except (KeyError, TypeError) as error:
            raise StorageError(
                "The guarantee lacks a field, or has one that this version does not know."
            ) from error
        if certifiable is not guarantee.certifiable or not guarantee.holds():
            raise StorageError("The guarantee states less epsilon than its own events cost.")
        return guarantee

    def holds(self) -> bool:
        """Whether epsilon and delta cover what was committed, recomputed, and that covers the events.

        Raises:
            MissingExtraError: It is a price by privacy loss distributions, whose package is not installed.
        """
        if not self.adaptive and self.committed.events != self.events:
            return False
        return all(self._covers(events) for events in {self.committed.events, self.events})

    def _covers(self, events: tuple[Event, ...]) -> bool:
        thorough = self.engine == "pld"
        cost = price(events, delta=self.delta, adaptive=self.adaptive, thorough=thorough)
        return cost.epsilon <= self.epsilon

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p><b>Guarantee</b><br>{escape(self.in_words()).replace(chr(10), '<br>')}</p>"
