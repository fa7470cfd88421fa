"""What a query and a mechanism are. Sensitivity and cost live here; nobody types a sigma."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from dpsynth.privacy.events import Event
    from dpsynth.privacy.unit import Unit
    from dpsynth.schema.layout import Domain

IntArray = np.ndarray[Any, np.dtype[np.int64]]
Json = dict[str, Any]

CodedColumn = tuple[str, tuple[int, ...] | None]
"""A column with the bucket of each of its codes; None leaves the codes as they are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sensitivity:
    """How far an integer-valued query moves between neighbours, in the L1 and the L2 norm."""

    l1: float
    l2: float


class Query(Protocol):
    """An integer-valued question about the encoded table: a table of counts."""

    def sensitivity(self, unit: Unit) -> Sensitivity:
        """The largest change between neighbours under `unit`; needs no data."""
        ...

    def describe(self) -> Json:
        """The query as plain public JSON: equal descriptions mean equal queries."""
        ...

    def check(self, domain: Domain) -> None:
        """Refuse, before anything is spent, what a table of `domain` cannot answer."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """What left the trusted base: noisy answers, their public noise scale and the event paid.

    Attributes:
        mechanism: Public description of the mechanism that answered.
        event: What was paid.
        values: One read-only array for each query, flat, over the full declared domain.
        sigmas: Standard deviation of the noise on each query's cells (0 where it has no meaning).
    """

    mechanism: Mapping[str, Any]
    event: Event
    values: tuple[np.ndarray[Any, Any], ...]
    sigmas: tuple[float, ...]

    def __iter__(self) -> Iterator[tuple[np.ndarray[Any, Any], float]]:
        return iter(zip(self.values, self.sigmas, strict=True))


class Mechanism(Protocol):
    """A frozen plan for one paid access to the data.

    The set of mechanisms is closed: a session accepts only classes of `dpsynth.mechanisms`.
    """

    def event(self) -> Event:
        """The price; needs no data and, because parameters are normalised, no unit."""
        ...

    def describe(self) -> Json:
        """The mechanism as plain public JSON: equal descriptions mean equal mechanisms."""
        ...

    def check(self, domain: Domain, unit: Unit) -> None:
        """Refuse what a table of this domain cannot answer; needs no data.

        Raises:
            ConfigurationError: Unknown columns, sizes that do not fit, or a scale out of range.
        """
        ...

    def run(self, table: Any, unit: Unit) -> Measurement:
        """Evaluate and add noise. Called by a session only, after the price is reserved.

        `table` is an `EncodedTable`; for `PartitionSelection` a `LabelledColumn`.
        """
        ...
