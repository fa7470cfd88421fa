"""Charge first, then draw: the only place where a mechanism meets the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dpsynth.errors import BudgetExceededError, MechanismError, PrivacyError
from dpsynth.ledger import Account, Ledger, Reservation, Spend, Standing
from dpsynth.mechanisms import MECHANISMS, tainted
from dpsynth.mechanisms.base import Measurement, Mechanism
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.privacy.events import Event, event_from_json
from dpsynth.privacy.filters import Filter, filter_for
from dpsynth.privacy.unit import Unit
from dpsynth.session.checkpoint import Checkpoint
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
        self._standing: Standing | None = None
        self._record: Checkpoint | None = None
        self._steps: tuple[Step, ...] = ()
        self._filter: Filter | None = None
        self._filter_label = ""
        self.measurements: list[Measurement] = []
        self.labels: list[str] = []
        self.tainted = False

    @property
    def started(self) -> bool:
        """Whether a reservation stands."""
        return self._standing is not None

    @property
    def reservation(self) -> Reservation:
        """What was set aside."""
        return self._held().reservation

    @property
    def steps(self) -> int:
        """How many draws were committed so far."""
        return len(self._steps)

    def reserve(
        self, spend: Spend, *, method: str, plan_digest: str, record: Checkpoint | None = None
    ) -> None:
        """Reserve `spend` durably, or take up what an earlier process reserved for the run of `record`.

        With a record every draw is followed by a durable one, and what was drawn before is answered from
        it. Draws that the ledger has beyond it were under way when a process ended: they are lost.

        Raises:
            BudgetExceededError: The account has no room.
            LedgerError: The run of the record has another account, price, method or plan.
            PrivacyError: The ledger says that other things were drawn than the record says were answered.
        """
        words = {"method": method, "plan_digest": plan_digest}
        if record is None:
            self._standing = Standing(reservation=self._ledger.reserve(self._account, spend, **words))
            return
        try:
            self._standing = self._ledger.reserve_once(self._account, spend, label=record.run, **words)
        except BudgetExceededError:  # nothing is reserved: the record is of no run
            record.path.unlink(missing_ok=True)
            raise
        answered = [m.event for m in record.transcript.measurements]
        drawn = [event_from_json(event) for event in self._standing.events]
        planned = [step.event for step in self._steps[: len(drawn)]]
        if drawn != planned or drawn[: len(answered)] != answered:
            raise PrivacyError(
                "The ledger holds other draws than the checkpoint, which was changed. Its run cannot be "
                "continued and its price stays spent: start a new run with another file."
            )
        self._record, self.tainted = record, record.transcript.tainted

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
        """Record the draw in the ledger, then run `mechanism` on `table`; or answer from the record.

        Raises:
            PrivacyError: The mechanism is none of the reviewed ones.
            BudgetExceededError: It is not the next step of what was committed, or the filter is full.
            ConfigurationError: It asks for columns or sizes that the schema does not have.
            LedgerError: Another process drew under this reservation, or a draw of it failed.
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
        done = len(self.measurements)
        if self._record is not None and done < len(self._held().events):
            measurement, label = _known(self._record, done, mechanism, label)
            self._keep(measurement, label)
            return measurement
        self._ledger.draw(self._held().reservation, event.to_json(), position=done)
        self._filter = after
        try:
            measurement = mechanism.run(table, self._unit)
        except Exception:  # noqa: BLE001 - whatever it says may quote the data
            raise MechanismError(f"The mechanism for {label!r} failed. Its price stays spent.") from None
        self.tainted = self.tainted or tainted()
        self._keep(measurement, label)
        if self._record is not None:  # not above: of two processes only the one that draws may write
            self._record.after(self.measurements, self.labels, tainted=self.tainted).save()
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
        if not self._held().committed:
            self._ledger.commit(self._held().reservation)

    def _keep(self, measurement: Measurement, label: str) -> None:
        self.measurements.append(measurement)
        self.labels.append(label)

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

    def _held(self) -> Standing:
        if self._standing is None:
            raise PrivacyError("Nothing is reserved: no draw without a reservation.")
        return self._standing


def _known(record: Checkpoint, position: int, mechanism: Mechanism, label: str) -> tuple[Measurement, str]:
    """What stands for a draw of an earlier process, and its label: its answer, or what a lost one leaves.

    Privacy: a lost draw was paid and its noise may have existed, so a second one would be free. What stands
        for it is made of public numbers.
    """
    if position < len(record.labels):
        return record.transcript.answer(position, mechanism), record.labels[position]
    lost = getattr(mechanism, "without_answer", None)
    if lost is None:
        raise PrivacyError(
            f"An earlier process ended while {label!r} was drawn. That answer is lost, and a second one is "
            "not paid. This run cannot be continued and its price stays spent: start a new run, with another "
            "checkpoint."
        )
    return lost(), f"{label} (lost)"
