"""Charge first, then draw: the only place where a mechanism meets the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dpsynth.errors import BudgetExceededError, MechanismError, PrivacyError
from dpsynth.ledger import Account, Ledger, Reservation, Spend
from dpsynth.mechanisms import MECHANISMS, tainted
from dpsynth.mechanisms.base import Measurement, Mechanism
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.privacy.events import Event
from dpsynth.privacy.filters import Filter, filter_for
from dpsynth.privacy.unit import Unit
from dpsynth.session.plan import Step

__all__ = ["Spending"]


class Spending:
    """One reservation and everything that is drawn under it.

    Privacy: a draw happens only if it is the next step of what was committed, and only after its event
        is durably in the ledger. Whatever fails later, the reservation stays spent.
    """

    def __init__(self, ledger: Ledger, account: Account, unit: Unit) -> None:
        self._ledger = ledger
        self._account = account
        self._unit = unit
        self._reservation: Reservation | None = None
        self._steps: tuple[Step, ...] = ()
        self._filter: Filter | None = None
        self._filter_label = ""
        self.measurements: list[Measurement] = []
        self.labels: list[str] = []
        self.tainted = False

    @property
    def started(self) -> bool:
        """Whether a reservation stands."""
        return self._reservation is not None

    @property
    def steps(self) -> int:
        """How many draws were committed so far."""
        return len(self._steps)

    def reserve(self, spend: Spend, *, method: str, plan_digest: str) -> None:
        """Reserve `spend` durably. Nothing is drawn.

        Raises:
            BudgetExceededError: The account has no room.
        """
        self._reservation = self._ledger.reserve(self._account, spend, method=method, plan_digest=plan_digest)

    def commit_steps(self, steps: Sequence[Step]) -> None:
        """Fix the next draws: their events, in order."""
        self._steps = (*self._steps, *steps)

    def commit_filter(self, step: Step) -> None:
        """Let everything after the fixed draws pass as long as a filter over `step` has room.

        Raises:
            UnsupportedEventError: No filter theorem covers the event of `step`.
        """
        self._filter, self._filter_label = filter_for(step.event), step.label

    def draw(self, mechanism: Mechanism, table: Any) -> Measurement:
        """Record the draw in the ledger, then run `mechanism` on `table`.

        Raises:
            PrivacyError: The mechanism is none of the reviewed ones.
            BudgetExceededError: It is not the next step of what was committed, or the filter is full.
            ConfigurationError: It asks for columns or sizes that the schema does not have.
            MechanismError: It failed; its price stays spent.
        """
        if type(mechanism) not in MECHANISMS:
            raise PrivacyError(
                f"{type(mechanism).__name__} is no mechanism of dpsynth.mechanisms. "
                "Only reviewed mechanisms may touch private data."
            )
        event = mechanism.event()
        label, after = self._admit(event)
        if isinstance(table, EncodedTable):
            mechanism.check(table.domain, self._unit)  # whatever can be refused without data is refused first
        self._ledger.draw(self._held(), event.to_json())
        self._filter = after
        try:
            measurement = mechanism.run(table, self._unit)
        except Exception:  # noqa: BLE001 - whatever it says may quote the data
            raise MechanismError(f"The mechanism for {label!r} failed. Its price stays spent.") from None
        self.tainted = self.tainted or tainted()
        self.measurements.append(measurement)
        self.labels.append(label)
        return measurement

    def finish(self) -> None:
        """Mark the reservation as used.

        Raises:
            PrivacyError: Not everything that was committed was drawn.
        """
        if len(self.measurements) < len(self._steps):
            raise PrivacyError(
                "The generator asked less than it planned: where a run stops must not depend on answers."
            )
        self._ledger.commit(self._held())

    def _admit(self, event: Event) -> tuple[str, Filter | None]:
        """The label of the draw and the filter after it, if what was committed has room for `event`."""
        done = len(self.measurements)
        if done < len(self._steps) and self._steps[done].event == event:
            return self._steps[done].label, self._filter
        if done >= len(self._steps) and self._filter is not None:
            return self._filter_label, self._filter.spend(event)
        raise BudgetExceededError(
            "The generator asked for something that its plan does not hold. "
            "`plan` and `fit` of a generator must agree on every event, in order."
        )

    def _held(self) -> Reservation:
        if self._reservation is None:
            raise PrivacyError("Nothing is reserved: no draw without a reservation.")
        return self._reservation
