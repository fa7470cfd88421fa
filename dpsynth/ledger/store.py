"""The ledger: what was spent on which data, durable before anything is drawn.

The order of one paid access is reserve, draw, answer: the full price of a run is reserved in one
transaction with the test of the cap, and each draw is on disk before its noise exists. A crash at any
point leaves the price spent and no answer unpaid (pitfalls P11, P12).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from dpsynth import _validate
from dpsynth.errors import ConfigurationError, LedgerCorruptError, LedgerError
from dpsynth.ledger.accounts import AccountState, Run
from dpsynth.ledger.amounts import LIMITS, Cap, Spend, Units
from dpsynth.ledger.chain import BEFORE_FIRST, Entry, Head, link
from dpsynth.ledger.database import Database, body, now
from dpsynth.ledger.state import State
from dpsynth.ledger.statement import AccountStatement, account_statement
from dpsynth.ledger.values import Account, Event, Receipt, Reservation, Scope, Standing, public, text
from dpsynth.ledger.verification import Verification, verified


class Ledger:
    """An append-only, hash-chained book of spending, shared safely by processes and threads.

    Use it as a context manager. One connection belongs to one process: open the ledger again after a
    fork. On network file systems SQLite's locks do not work, so that they are refused where the system
    says what they are (Linux, macOS): keep the file on a local disk.
    """

    def __init__(self, database: Database, path: Path | None) -> None:
        self._database, self._path = database, path
        self._pid, self._closed = os.getpid(), False
        self._lock = threading.RLock()
        self._state = State()

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, create: bool = True, timeout: float = 10.0) -> Ledger:
        """Open the ledger in the file `path`.

        Args:
            path: The file. Its folder must exist.
            create: Start a new ledger if there is none. False never takes the write lock to open.
            timeout: How many seconds to wait for other processes.

        Raises:
            LedgerLockedError: Another process held the file longer than `timeout`.
            LedgerCorruptError: The file is something else, or damaged.
            LedgerError: The file cannot be opened, or is on a network file system.
        """
        _validate.non_negative("timeout", timeout)
        place = Path(path).resolve()
        return cls(Database(place, create=create, timeout=timeout), place)

    @classmethod
    def restore(cls, path: str | os.PathLike[str], entries: Iterable[Entry]) -> Ledger:
        """Write `entries`, all of an earlier ledger, into the new file `path`: the same ledger again.

        Whatever was spent after the last of them is forgotten: compare with a signed head, and use the
        original no more.

        Raises:
            LedgerCorruptError: The entries are not those of a ledger. Nothing is written.
            LedgerError: The file exists or cannot be written.
        """
        place, kept, state = Path(path).resolve(), tuple(entries), State()
        for entry in kept:
            state.accept(entry)
        if not kept:
            raise LedgerCorruptError("A ledger has at least one entry, and here is none.")
        try:
            place.touch(exist_ok=False)
        except OSError as error:
            raise LedgerError(
                f"The file {place} cannot be started ({error.strerror}). "
                "Restore into a file that does not exist, in a folder that may be written."
            ) from error
        try:
            return cls(Database(place, create=True, timeout=0.0, entries=kept), place)
        except BaseException:
            place.unlink(missing_ok=True)
            raise

    @classmethod
    def in_memory(cls) -> Ledger:
        """A ledger that ends with this process: for experiments on public data."""
        return cls(Database(None, create=True, timeout=0.0), None)

    @property
    def path(self) -> Path | None:
        """The file; None if in memory."""
        return self._path

    @property
    def identity(self) -> str:
        """The random name that this ledger received when it was created."""
        with self._reading() as state:
            return state.identity

    def close(self) -> None:
        """Close the file. A connection inherited through fork is left to the process that owns it."""
        if self._pid == os.getpid():
            with self._lock:
                self._database.close()
                self._closed = True

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def account(
        self,
        dataset: str,
        unit: str,
        *,
        partition: str | None = None,
        period: str | None = None,
        cap: Cap | None = None,
        rule: str | None = None,
    ) -> Account:
        """Return the account of `dataset` under `unit`, and open it if there is none.

        Args:
            dataset: The name that the holder gives to the data; every run on this data names it.
            unit: The unit of privacy in words, for example `str(Unit())`.
            partition: A part of the people, declared with `divide`. Its runs read the data of nobody else.
            period: A year, quarter or month of spending, `2026`, `2026-Q4` or `2026-11`, in UTC. Whatever is
                spent within it counts there by itself. An account with periods spends in them only.
            cap: What all runs together may spend. None: no limit for a new account, and any for an old one.
            rule: `basic` sums epsilon and delta, `zcdp` sums rho. None: what the cap limits, else the rule
                of the account above, else basic.

        Raises:
            LedgerError: The account exists with another cap or rule, or the part is not declared.
        """
        scope = (text("dataset", dataset), text("unit", unit), partition, period)
        given = rule or (cap.rule if cap else None)
        if given is not None:
            _validate.one_of("rule", given, LIMITS)
        if cap is not None and cap.rule != given:
            raise ConfigurationError(
                f"Expected a cap that limits {' and '.join(LIMITS[given or ''])} for rule={given!r}."
            )
        limits = None if cap is None else cap.units()
        with self._writing() as state:
            account = state.find(*scope) or self._open(state, scope, given, limits)
            if given not in (None, account.rule):
                raise LedgerError(
                    f"The account {account} has the rule {account.rule!r}, for good. Leave rule out, and "
                    f"give a cap of {' and '.join(LIMITS[account.rule])} or none."
                )
            if limits not in (None, account.cap):
                raise LedgerError(
                    f"The account {account} has another cap. Leave cap out, or change it with set_cap."
                )
            return public(account)

    def divide(self, account: Account, *, by: str, parts: Iterable[str]) -> None:
        """Declare parts of the people of a dataset, of whom nobody is in two.

        Then what is spent on one part costs the people of the others nothing (parallel composition): the
        dataset's spending is that on everybody, and for each division the largest of its parts. Disjoint
        data is not enough: two quarters of sales have customers in common.

        Args:
            account: The whole dataset.
            by: The public rule that puts each unit of privacy into one part by its own data or by something
                fixed, for example `hospital of the first admission`. It stays on record.
            parts: Their names. Parts that are declared already stay; new ones are added to the division.

        Raises:
            LedgerError: A part belongs to another division, or the account is no whole dataset.
        """
        rule, names = text("by", by), [text("part", part) for part in parts]
        with self._writing() as state:
            known = state.account(account.id).divisions.get(rule, ())
            new = [name for name in names if name not in known]
            if new or not names:
                self._append(state, "division", account=account.id, by=rule, parts=new)

    def record_elsewhere(self, account: Account, spend: Spend, *, source: str, reason: str) -> Receipt:
        """Record what was spent on the same people without this ledger. It is spent: no cap refuses it.

        It counts in the period in which it is recorded. Beyond a cap no further run fits.

        Args:
            account: The whole dataset or a part, from `account` of this ledger.
            spend: What it cost, for the unit of the account. An account that adds rho needs it.
            source: The program or the place, for example `diffprivlib`.
            reason: What it was, and who says so.
        """
        words = {"source": text("source", source), "reason": text("reason", reason)}
        with self._writing() as state:
            return self._append(state, "elsewhere", account=account.id, spend=spend.units(), **words)

    def set_cap(self, account: Account, cap: Cap, *, reason: str) -> Account:
        """Change what the account may spend from now on; the change and its reason stay on record."""
        limits, why = cap.units(), text("reason", reason)
        with self._writing() as state:
            self._append(state, "cap", account=account.id, cap=limits, reason=why)
            return public(state.account(account.id))

    def reserve(
        self, account: Account, spend: Spend, *, method: str, plan_digest: str, label: str = ""
    ) -> Reservation:
        """Set the full price of a run aside, before it touches the data.

        Args:
            account: From `account` of this ledger.
            spend: The price of everything that the run will draw.
            method: What will run, for example the generator's name.
            plan_digest: Digest of the committed plan.
            label: A remark for people.

        Raises:
            BudgetExceededError: The account has no room. Nothing was recorded.
        """
        words = {"method": method, "plan_digest": plan_digest, "label": label}
        with self._writing() as state:
            return self._reserve(state, account, spend, **words)

    def require_room(self, account: Account, spends: Sequence[Spend]) -> None:
        """Refuse runs that `reserve` would not all take now, one after the other. Nothing is recorded.

        Another process may still be first: what counts is the reservation.

        Raises:
            BudgetExceededError: The account has no room for all of them together.
        """
        prices = [spend.units() for spend in spends]
        names = set.intersection(*map(set, prices))
        price = {name: sum(one[name] for one in prices) for name in names}
        with self._reading() as state:
            state.admit(Run(-1, now(), state.people(account.id), price, "", "", ""))

    def reserve_once(
        self, account: Account, spend: Spend, *, method: str, plan_digest: str, label: str
    ) -> Standing:
        """`reserve`, unless the run of this label is reserved already: then how it stands, at no price.

        Raises:
            BudgetExceededError: The account has no room. Nothing was recorded.
            LedgerError: The run of this label was released, or has another account, price, method or plan.
        """
        words = {"method": method, "plan_digest": plan_digest, "label": text("label", label)}
        with self._writing() as state:
            identity = next((name for name, run in state.runs.items() if run.label == label), None)
            if identity is None:
                return Standing(reservation=self._reserve(state, account, spend, **words))
            run, wanted = state.runs[identity], (account.id, spend.units(), method, plan_digest)
            if (run.account.id, run.spend, run.method, run.plan) != wanted or run.status == "released":
                raise LedgerError(
                    "This run was released, or reserved for another account, price, method or plan. "
                    "Continue it as it was reserved, or start a new run."
                )
            contents = (entry.content for entry in self._database.entries(run.seq))
            return Standing(
                reservation=Reservation(seq=run.seq, digest=identity),
                events=tuple(
                    content["event"]
                    for content in contents
                    if content["kind"] == "draw" and content["reservation"] == identity
                ),
                committed=run.status == "committed",
            )

    def draw(self, reservation: Reservation, event: Event, *, position: int | None = None) -> Receipt:
        """Record that `event` is about to be drawn. Draw the noise after this has returned, not before.

        Args:
            reservation: That of the run.
            event: What is drawn.
            position: How many draws the run must have had: of two processes that continue it, one is refused.

        Raises:
            LedgerError: The run is closed, or has had another number of draws.
        """
        with self._writing() as state:
            if position not in (None, state.open_run(reservation.id).draws):
                raise LedgerError(
                    "This run does not stand where it was left: another process continues it, or a draw "
                    "failed. Let the other process finish, or start a new run."
                )
            return self._append(state, "draw", reservation=reservation.id, event=dict(event))

    def commit(self, reservation: Reservation) -> Receipt:
        """Close a run that is complete. Its price stays spent."""
        with self._writing() as state:
            return self._append(state, "commit", reservation=reservation.id)

    def release(self, reservation: Reservation) -> Receipt:
        """Give back the price of a run that drew nothing.

        Raises:
            LedgerError: A draw was recorded, or the run is closed.
        """
        with self._writing() as state:
            return self._append(state, "release", reservation=reservation.id)

    def head(self) -> Head:
        """The last entry: publish it, so that nobody can cut the end of the ledger unseen."""
        with self._reading() as state:
            return state.head

    def entries(self, since: int = 0) -> tuple[Entry, ...]:
        """The entries from number `since` on, as they are stored."""
        with self._using() as database:
            return tuple(database.entries(since))

    def statement(self, dataset: str | None = None) -> tuple[AccountStatement, ...]:
        """Statements of every account, or of those of `dataset`."""
        with self._reading() as state:
            return tuple(
                account_statement(a) for a in state.accounts.values() if dataset in (None, a.dataset)
            )

    def verify(self, *, contains: Head | None = None) -> Verification:
        """Recompute everything from the first entry: chain, numbers, caps, and the order of every run.

        Args:
            contains: A head seen earlier, for example in a certificate, that must still be there.
        """
        with self._using() as database:
            return verified(database.audited(), contains)

    @contextmanager
    def _using(self) -> Iterator[Database]:
        if self._pid != os.getpid():  # before the lock, which the fork may have caught closed
            raise LedgerError("This ledger was opened before a fork. Open it again in this process.")
        with self._lock:
            if self._closed:
                raise LedgerError("This ledger is closed. Open it again.")
            yield self._database

    @contextmanager
    def _reading(self) -> Iterator[State]:
        with self._using() as database:
            yield self._synced(database)

    @contextmanager
    def _writing(self) -> Iterator[State]:
        with self._using() as database:
            with database.transaction():
                state = self._synced(database)
                yield state
            self._state = state

    def _reserve(
        self, state: State, account: Account, spend: Spend, *, method: str, plan_digest: str, label: str
    ) -> Reservation:
        named = {"method": text("method", method), "plan": text("plan_digest", plan_digest), "label": label}
        head = self._append(state, "reserve", account=account.id, spend=spend.units(), **named)
        return Reservation(seq=head.seq, digest=head.digest)

    def _open(self, state: State, scope: Scope, rule: str | None, limits: Units | None) -> AccountState:
        """Open an account, and the ones above it that are missing, without a cap."""
        dataset, unit, partition, period = scope
        kind, own = "account", {"dataset": dataset, "unit": unit}
        if partition is not None or period is not None:
            above = (dataset, unit, None if period is None else partition, None)
            parent = state.find(*above) or self._open(state, above, rule, None)
            kind, name = ("part", partition) if period is None else ("period", period)
            rule, own = rule or parent.rule, {"account": parent.id, kind: text(kind, name)}
        opened = self._append(state, kind, rule=rule or "basic", cap=limits, **own)
        return state.account(opened.digest)

    def _append(self, state: State, kind: str, **content: Any) -> Receipt:
        entry = link(state.head, body(kind, **content))
        state.apply(entry)
        self._state = State()  # until the entry is durable: whatever fails now, the file is read again
        self._database.insert(entry)
        return state.head

    def _synced(self, database: Database) -> State:
        """The state after every entry in the file: what others wrote is checked and folded in."""
        state = self._state
        if state.head == BEFORE_FIRST:
            fresh = database.entries()
        else:
            fresh = database.entries(state.head.seq)
            last = next(fresh, None)
            if last is None or last.digest != state.head.digest:
                raise LedgerCorruptError(
                    "The ledger was replaced or cut off while it was open. Restore the file."
                )
        for entry in fresh:
            state.accept(entry)
        return state
