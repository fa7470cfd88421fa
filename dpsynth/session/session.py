"""The one door: every number that leaves a private table leaves through here, and is paid first.

The order is fixed: check the plan, reserve durably in the ledger, record the draw durably, draw the
noise, keep the receipt. A crash anywhere after the reservation leaves the price spent (pitfall P12).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dpsynth import _validate
from dpsynth.errors import BudgetExceededError, ConfigurationError, DataError, PrivacyError
from dpsynth.ledger import Account, Cap, Ledger, Spend
from dpsynth.mechanisms import tainted
from dpsynth.mechanisms.partition import PartitionSelection
from dpsynth.privacy.accountant import Price, price
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import rho_of
from dpsynth.privacy.events import Event, ZCDPEvent
from dpsynth.session._spending import Spending
from dpsynth.session._vault import PrivateTable, content_of
from dpsynth.session.best import Best, Candidates, best_run
from dpsynth.session.checkpoint import Checkpoint, seed_of
from dpsynth.session.configuration import chosen, configuration_of
from dpsynth.session.discover import discover, needs_categories, plan_discovery
from dpsynth.session.guarantee import Guarantee, LedgerPosition, LedgerRecord
from dpsynth.session.measurer import Door, Fits
from dpsynth.session.plan import Commitment
from dpsynth.session.progress import Progress
from dpsynth.session.transcript import Transcript

if TYPE_CHECKING:
    from dpsynth.mechanisms.base import Measurement, Mechanism
    from dpsynth.schema.schema import Schema
    from dpsynth.session.plan import Plan

__all__ = ["Session"]

FittedT = TypeVar("FittedT")


class Session:
    """One budget, one reservation in the ledger, one guarantee, over one private table.

    Privacy: the releases of a session together cost at most its budget, for `table.schema.unit`. A
        plan of fixed parameters is priced by any accountant. A session that first buys parts of its
        schema composes both phases in zCDP, with shares that are fixed beforehand: adaptive
        composition with fixed rho is sound (Bun and Steinke, 2016).
    """

    def __init__(self, table: PrivateTable, budget: Budget, ledger: Ledger, account: Account) -> None:
        self._table = table
        self._schema = table.schema
        self._budget = budget
        self._granted = budget
        self._ledger = ledger
        self._account = account
        self._spending = Spending(ledger, account, table.schema.unit)
        self._bought = 0
        self._adaptive = False
        self._plan: Plan | None = None
        self._place: LedgerRecord | None = None
        self._committed: Commitment | None = None
        self._configuration: dict[str, Any] = {}
        self._cost: Price | None = None
        self._best: Best[Any] | None = None

    @classmethod
    def open(
        cls,
        table: PrivateTable,
        *,
        budget: Budget,
        ledger: Ledger,
        dataset: str,
        partition: str | None = None,
        cap: Cap | None = None,
        rule: str | None = None,
    ) -> Session:
        """Open the door to `table` for one run. Nothing is spent yet.

        Args:
            table: The private table.
            budget: What this session may spend at most.
            ledger: Where spending is recorded.
            dataset: Name of the account: all releases about the same people belong to one name.
            partition: The part of the people whose rows the table holds, and nobody else's; declared with
                `Ledger.divide`.
            cap: Ceiling of the account, set when the account is new.
            rule: How a new account adds up: `basic` (sums of epsilon and delta) or `zcdp`; None follows from
                its cap.

        Raises:
            LedgerError: The ledger cannot be used, or the account has another cap.
            ConfigurationError: A part, under a unit that is replaced: who is replaced may change the part,
                and the noise for one part hides no such move.
        """
        if not dataset:
            raise ConfigurationError(
                "Expected a name for the data set: all releases about the same people share it."
            )
        unit = table.schema.unit
        if partition is not None and unit.relation == "replace_one":
            raise ConfigurationError(
                "Expected no partition under a unit that is replaced: who is replaced may change the part, "
                "which costs both. Declare the unit with relation='add_remove'."
            )
        account = ledger.account(dataset, str(unit), partition=partition, cap=cap, rule=rule)
        return cls(table, budget, ledger, account)

    @property
    def schema(self) -> Schema:
        """The schema, with what was discovered so far."""
        return self._schema

    def discover(self, *, share: float = 0.2, cells: Collection[str] = ()) -> Schema:
        """Buy what the schema leaves open: bounds, category lists and, for `cells`, numeric cells.

        Args:
            share: Part of the session's budget (of rho) that discovery may use.
            cells: Numeric columns whose cells are to follow the data.

        Returns:
            The complete schema; what was bought has the origin `dp`.

        Privacy: the whole budget of the session is reserved before the first draw. Half of delta
            covers the category lists (Gaussian thresholding) where any are bought.
        """
        if self._spending.started:
            raise PrivacyError("Discovery comes first in a session, and once. Open another session.")
        _validate.fraction("share", share)
        failure = self._budget.delta / 2 if needs_categories(self._schema) else 0.0
        rest = self._budget.delta - failure
        rho = rho_of(Budget(epsilon=self._budget.epsilon, rho=self._budget.rho, delta=rest))
        plan = plan_discovery(self._schema, rho=share * rho, delta=failure, cells=cells)
        # Rounded down, so that the two phases never add up to more than the whole.
        self._granted = Budget(rho=math.nextafter(rho - share * rho, 0.0), delta=rest)
        events = (*plan.events, ZCDPEvent(rho=self._granted.rho or 0.0))
        whole = Commitment(method="discovery, then a generator", adaptive=True, events=events)
        self._reserve(self._price(events, adaptive=True), whole)
        self._spending.commit_steps(plan.steps)
        self._schema = discover(self._schema, self._ask, plan)
        self._bought = self._spending.steps
        return self._schema

    def run(
        self,
        generator: Fits[FittedT],
        *,
        rng: object = None,
        progress: Callable[[Progress], None] | None = None,
        checkpoint: str | Path | None = None,
    ) -> FittedT:
        """Commit the generator's plan, then fit it on measurements. Once for each session.

        Args:
            generator: The configured method.
            rng: Seed or generator of the post-processing; noise takes no seed.
            progress: Called after each paid step.
            checkpoint: File that keeps the answers so far. If it holds the record of this run, the run is
                continued: nothing is reserved or drawn a second time, and a round of training whose answer
                was lost counts as one without an update. `rng` is a seed or none then.

        Returns:
            What the generator returns: a model that holds no data.

        Raises:
            DataError: Parts of the schema are still unknown.
            ConfigurationError: The schema has constraints and the generator does not hold them, or the
                checkpoint is of another run.
            PrivacyError: The run of the checkpoint cannot be continued. Its price stays spent.
            BudgetExceededError: The plan or the ledger has no room; nothing was drawn.

        Privacy: unit, sensitivities and events are those of the plan's mechanisms; the price of all of
            them is in the ledger before the first is drawn.
        """
        self._require_ready((generator,))
        plan = generator.plan(self._schema, self._granted)
        events = (*(m.event for m in self._spending.measurements), *plan.events)
        self._adaptive = plan.adaptive or self._bought > 0
        cost = self._price(events, adaptive=self._adaptive, thorough=plan.thorough)
        record = None if checkpoint is None else self._record(Path(checkpoint), rng)
        self._plan = plan
        self._spending.commit(plan)
        if not self._spending.started:
            self._reserve(cost, plan.commitment, record=record)
        table = content_of(self._table).table(self._schema.modelled)

        def measure(mechanism: Mechanism) -> Measurement:
            measurement = self._spending.draw(mechanism, table)
            if progress is not None:
                progress(
                    Progress.after(
                        [m.event for m in self._spending.measurements],
                        self._spending.labels[-1],
                        steps=self._spending.steps,
                        whole=cost,
                        adaptive=self._adaptive,
                    )
                )
            return measurement

        model = generator.fit(Door(self._schema, self._granted, measure), rng=record.seed if record else rng)
        self._spending.finish()
        self._place, self._configuration = self._recorded(), self._told(generator)
        return model

    def select(self, candidates: Candidates[FittedT]) -> Best[FittedT]:
        """Run candidates a random number of times and return the best run. Once for each session.

        Args:
            candidates: The configured methods, what rates them, and what one run may spend.

        Returns:
            The winner. The guarantee of this session tells the price of the selection, its transcript what
            the winner measured.

        Raises:
            DataError: Parts of the schema are still unknown.
            ConfigurationError: The schema has constraints and a candidate does not hold them.
            PrivacyError: The session has had its run, or no run gave a model. Its price stays spent.
            BudgetExceededError: The selection costs more than the budget, or the ledger has no room; nothing
                was drawn.

        Privacy: the price of the whole selection (`RepeatSelectEvent`) is in the ledger, as one draw, before
            the first run. The number of runs and the losers never leave. How long all of it took is
            outside the guarantee, and tells about how many runs there were: do not publish it.
        """
        if self._spending.started:
            raise PrivacyError("A selection is all that a session does. Open another session.")
        self._require_ready(candidates.generators)
        plans = candidates.plans(self._schema)
        event = candidates.event(*plans)
        cost = self._price((event,), adaptive=False)
        self._plan = plans[0][0]  # the session has had its run, whatever comes; the winner's takes its place
        self._reserve(cost, Commitment(method="the best of several runs", adaptive=False, events=(event,)))
        self._spending.book(event)
        place = self._recorded()
        self._spending.tainted = tainted()
        table = content_of(self._table).table(self._schema.modelled)
        best = best_run(candidates, event, plans, self._schema, table)
        if best is None:
            raise PrivacyError(
                "No run gave a model. Why is not shown, and the price stays spent. Try the candidates one by "
                "one on a public table: an error of their configuration shows there."
            )
        self._granted = candidates.measured
        self._best, self._plan = best, best.plan
        self._place, self._configuration = place, self._told(best.generator)
        return best

    @property
    def transcript(self) -> Transcript:
        """The public record of the finished run (without discovery, whose result is the schema)."""
        self._finished()
        own = self._spending.measurements[self._bought :]
        return Transcript(
            schema=self._schema,
            budget=self._granted,
            measurements=tuple(own) if self._best is None else self._best.measurements,
            tainted=self._spending.tainted,
        )

    def guarantee(self) -> Guarantee:
        """What the finished run promises, with everything that spent it.

        Raises:
            PrivacyError: The run is not finished.
        """
        plan, place, committed, cost = self._finished()
        events, labels = tuple(m.event for m in self._spending.measurements), tuple(self._spending.labels)
        if self._best is not None:
            events, labels = committed.events, (committed.method,)
        return Guarantee(
            epsilon=cost.epsilon,
            delta=cost.delta,
            engine=cost.engine,
            unit=self._schema.unit,
            dataset=self._account.dataset,
            partition=self._account.partition,
            method=plan.method,
            configuration=self._configuration,
            events=events,
            labels=labels,
            committed=committed,
            ledger=place,
            taints=self._taints(),
        )

    def _require_ready(self, generators: Sequence[object]) -> None:
        if self._plan is not None:
            raise PrivacyError("This session has had its run. Open another session for another budget.")
        if not self._schema.complete:
            raise DataError(
                f"The schema does not say what these columns may hold: {list(self._schema.unknown)}. Declare "
                "their categories or bounds, or buy them from the budget with discovery."
            )
        if self._schema.constraints and not all(getattr(one, "holds_zeros", False) for one in generators):
            raise ConfigurationError(
                "The schema has constraints: run `with_constraints(generator, schema)` instead."
            )

    def _told(self, generator: object) -> dict[str, Any]:
        told: dict[str, Any] = configuration_of(chosen(generator, self._schema, self._granted))
        return told

    def _ask(self, mechanism: Mechanism, columns: Sequence[Any]) -> Measurement:
        content = content_of(self._table)
        whole = isinstance(mechanism, PartitionSelection)
        return self._spending.draw(
            mechanism, content.labels(columns[0]) if whole else content.encode(columns)
        )

    def _price(self, events: Sequence[Event], *, adaptive: bool, thorough: bool = False) -> Price:
        cost = price(events, delta=self._budget.delta, adaptive=adaptive, thorough=thorough)
        whole = (ZCDPEvent(rho=self._budget.rho or 1.0),)
        limit = self._budget.epsilon or price(whole, delta=self._budget.delta).epsilon
        if cost.epsilon > limit:
            raise BudgetExceededError(
                f"The plan costs epsilon = {cost.epsilon:.6g}, the budget is {limit:.6g}. "
                "`plan` of a generator must stay within the budget that it is given."
            )
        return cost

    def _reserve(self, cost: Price, committed: Commitment, *, record: Checkpoint | None = None) -> None:
        # What was committed is what the run costs, even if it stops early: where it stops may depend
        # on the data.
        self._cost, self._committed = cost, committed
        spend = Spend(epsilon=cost.epsilon, delta=cost.delta, rho=cost.rho)
        digest = committed.digest()
        self._spending.reserve(spend, method=committed.method, plan_digest=digest, record=record)

    def _record(self, path: Path, rng: object) -> Checkpoint:
        if self._adaptive or self._spending.started:
            raise ConfigurationError(
                "A run with discovery, or whose method chooses noise levels from earlier answers, cannot be "
                "continued: leave the checkpoint out."
            )
        empty = Transcript(schema=self._schema, budget=self._granted, measurements=(), tainted=False)
        made = Checkpoint(path=path, ledger=self._ledger.identity, transcript=empty, seed=seed_of(rng))
        return made.begun(seeded=rng is not None)

    def _recorded(self) -> LedgerRecord:
        reserved, head = self._spending.reservation, self._ledger.head()
        before = self._ledger.entries(since=reserved.seq - 1)[0]
        return LedgerRecord(
            ledger=self._ledger.identity,
            before=LedgerPosition(sequence=before.seq, digest=before.digest),
            reserved=LedgerPosition(sequence=reserved.seq, digest=reserved.digest),
            after=LedgerPosition(sequence=head.seq, digest=head.digest),
        )

    def _finished(self) -> tuple[Plan, LedgerRecord, Commitment, Price]:
        done = self._plan, self._place, self._committed, self._cost
        if any(part is None for part in done):
            raise PrivacyError("The run is not finished: call `run` first. What it reserved stays spent.")
        return done  # type: ignore[return-value]  # none is None

    def _taints(self) -> tuple[str, ...]:
        reasons = []
        if self._spending.tainted:
            reasons.append("test noise was drawn")
        if self._schema.assumed:
            names = ", ".join(self._schema.assumed)
            reasons.append(f"the schema assumes from the data what these columns may hold: {names}")
        return tuple(reasons)
