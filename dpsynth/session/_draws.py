"""The draws of one run: only what was committed, in order, and only by reviewed mechanisms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dpsynth.errors import BudgetExceededError, MechanismError, PrivacyError
from dpsynth.mechanisms import MECHANISMS, tainted
from dpsynth.mechanisms.base import Measurement, Mechanism
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.privacy.events import Event
from dpsynth.privacy.filters import Filter, filter_for
from dpsynth.privacy.unit import Unit
from dpsynth.session.plan import Plan, Step

__all__ = ["Draws"]


class Draws:
    """What a run committed, and what was drawn of it. It books nothing.

    Privacy: a draw happens only if it is the next step of what was committed. Whoever makes one of these
        has the price of all of it in the ledger before the first draw: `Spending` books each draw as well,
        a selection books its whole.
    """

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._steps: tuple[Step, ...] = ()
        self._filter: Filter | None = None
        self._filter_label = ""
        self.measurements: list[Measurement] = []
        self.labels: list[str] = []
        self.tainted = False

    @property
    def steps(self) -> int:
        """How many draws were committed so far."""
        return len(self._steps)

    def commit(self, plan: Plan) -> None:
        """Fix the draws of `plan`, or for an adaptive one the filter that they have to pass.

        Raises:
            PrivacyError: An adaptive plan has more than one step.
            UnsupportedEventError: No filter theorem covers its event.
        """
        if not plan.adaptive:
            self.commit_steps(plan.steps)
            return
        if len(plan.steps) != 1:
            raise PrivacyError("An adaptive plan has one step: the whole that its draws may cost together.")
        self.commit_filter(plan.steps[0])

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
        """Run `mechanism` on `table`.

        Raises:
            PrivacyError: The mechanism is none of the reviewed ones.
            BudgetExceededError: It is not the next step of what was committed, or the filter is full.
            ConfigurationError: It asks for columns or sizes that the schema does not have.
            MechanismError: It failed; its price stays spent.
        """
        return self._run(mechanism, table, *self._admit(mechanism, table))

    def finish(self) -> None:
        """Mark the run as complete.

        Raises:
            PrivacyError: Not everything that was committed was drawn.
        """
        if len(self.measurements) < len(self._steps):
            raise PrivacyError(
                "The generator asked less than it planned: where a run stops must not depend on answers."
            )

    def _admit(self, mechanism: Mechanism, table: Any) -> tuple[str, Filter | None]:
        """The label of the draw and the filter after it; refuses whatever can be refused without data."""
        if type(mechanism) not in MECHANISMS:
            raise PrivacyError(
                f"{type(mechanism).__name__} is no mechanism of dpsynth.mechanisms. "
                "Only reviewed mechanisms may touch private data."
            )
        admitted = self._room(mechanism.event())
        if isinstance(table, EncodedTable):
            mechanism.check(table.domain, self._unit)
        return admitted

    def _run(self, mechanism: Mechanism, table: Any, label: str, after: Filter | None) -> Measurement:
        self._filter = after
        try:
            measurement = mechanism.run(table, self._unit)
        except Exception:  # noqa: BLE001 - whatever it says may quote the data
            raise MechanismError(f"The mechanism for {label!r} failed. Its price stays spent.") from None
        self.tainted = self.tainted or tainted()
        self._keep(measurement, label)
        return measurement

    def _keep(self, measurement: Measurement, label: str) -> None:
        self.measurements.append(measurement)
        self.labels.append(label)

    def _room(self, event: Event) -> tuple[str, Filter | None]:
        """The label of a draw and the filter after it, if what was committed has room for `event`."""
        done = len(self.measurements)
        if done < len(self._steps) and self._steps[done].event == event:
            return self._steps[done].label, self._filter
        if done >= len(self._steps) and self._filter is not None:
            return self._filter_label, self._filter.spend(event)
        raise BudgetExceededError(
            "The generator asked for something that its plan does not hold. "
            "`plan` and `fit` of a generator must agree on every event, in order."
        )
