"""Charge first, then draw: the only place where a mechanism meets the rows."""

from __future__ import annotations

from typing import Any

from dpsynth.errors import BudgetExceededError, PrivacyError
from dpsynth.ledger import Account, Ledger, Reservation, Spend, Standing
from dpsynth.mechanisms.base import Measurement, Mechanism
from dpsynth.privacy.events import Event, event_from_json
from dpsynth.privacy.unit import Unit
from dpsynth.session._draws import Draws
from dpsynth.session.checkpoint import Checkpoint

__all__ = ["Spending"]


class Spending(Draws):
    """One reservation and everything that is drawn under it.

    Privacy: a draw happens only if it is the next step of what was committed, and only after its event
        is durably in the ledger. Whatever fails later, the reservation stays spent.
    """

    def __init__(self, ledger: Ledger, account: Account, unit: Unit) -> None:
        super().__init__(unit)
        self._ledger = ledger
        self._account = account
        self._standing: Standing | None = None
        self._record: Checkpoint | None = None

    @property
    def started(self) -> bool:
        """Whether a reservation stands."""
        return self._standing is not None

    @property
    def reservation(self) -> Reservation:
        """What was set aside."""
        return self._held().reservation

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

    def draw(self, mechanism: Mechanism, table: Any) -> Measurement:
        """Record the draw in the ledger, then run `mechanism` on `table`; or answer from the record.

        Raises:
            PrivacyError: The mechanism is none of the reviewed ones.
            BudgetExceededError: It is not the next step of what was committed, or the filter is full.
            ConfigurationError: It asks for columns or sizes that the schema does not have.
            LedgerError: Another process drew under this reservation, or a draw of it failed.
            MechanismError: It failed; its price stays spent.
        """
        label, after = self._admit(mechanism, table)
        done = len(self.measurements)
        if self._record is not None and done < len(self._held().events):
            measurement, label = _known(self._record, done, mechanism, label)
            self._keep(measurement, label)
            return measurement
        self._ledger.draw(self._held().reservation, mechanism.event().to_json(), position=done)
        measurement = self._run(mechanism, table, label, after)
        if self._record is not None:  # not above: of two processes only the one that draws may write
            self._record.after(self.measurements, self.labels, tainted=self.tainted).save()
        return measurement

    def book(self, event: Event) -> None:
        """Record `event` in the ledger as the one draw of this reservation, and close it before it happens.

        For a whole whose parts stay secret: neither how many there are nor how long they take is in the
        ledger, whose entries tell when they were made.
        """
        self._ledger.draw(self._held().reservation, event.to_json(), position=0)
        self._ledger.commit(self._held().reservation)

    def finish(self) -> None:
        """Mark the reservation as used.

        Raises:
            PrivacyError: Not everything that was committed was drawn.
        """
        super().finish()
        if not self._held().committed:
            self._ledger.commit(self._held().reservation)

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
