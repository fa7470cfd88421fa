"""What a sweep over epsilon found: points with bands, what the looking cost, and who may see it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dpsynth import _validate
from dpsynth.errors import ConfigurationError, StorageError
from dpsynth.evaluation.json_numbers import finite, number_of
from dpsynth.evaluation.results import Disclosure

if TYPE_CHECKING:
    import pandas as pd

    from dpsynth.tuning.choice import Choice

__all__ = ["MODES", "Band", "Cost", "Frontier", "FrontierPoint", "Mode"]

Mode = Literal["analytic", "proxy", "bootstrap", "nested", "trajectory", "select", "confidential"]
MODES: tuple[Mode, ...] = (
    "analytic",
    "proxy",
    "bootstrap",
    "nested",
    "trajectory",
    "select",
    "confidential",
)
_VERSION = "dpsynth-frontier/1"
_OUTSIDE = 0.05  # of the replicates on either side of a band


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """Where replicates of one number lie.

    Attributes:
        low: The k-th smallest replicate, where at most 5 % are below; of up to 20 it is the smallest.
        median: The middle one.
        high: As `low`, from above.
    """

    low: float
    median: float
    high: float

    def __post_init__(self) -> None:
        if self.low > self.median or self.median > self.high:
            raise ConfigurationError("Expected a band with low <= median <= high.")

    @classmethod
    def of(cls, values: Sequence[float]) -> Band:
        """The band of some replicates. Its ends are replicates themselves, not numbers between two.

        Raises:
            ConfigurationError: There is none.
        """
        if not values:
            raise ConfigurationError("Expected at least one replicate.")
        ordered = sorted(values)
        outside = cls.outside(len(ordered))
        return cls(low=ordered[outside], median=float(np.median(ordered)), high=ordered[-1 - outside])

    @staticmethod
    def outside(replicates: int) -> int:
        """How many of so many replicates lie below the lower end."""
        return int(_OUTSIDE * max(replicates - 1, 0))


@dataclass(frozen=True, kw_only=True, slots=True)
class FrontierPoint:
    """One method at one epsilon.

    Attributes:
        method: Its name.
        epsilon: Of a release at this point.
        delta: Likewise.
        mu: The release is exactly mu-GDP; None where that is not known.
        advantage: The largest advantage of any attack on such a release.
        odds: What it means for one person, a sentence.
        utility: By metric; higher is better.
        replicates: How many runs stand behind the bands; 0 for an expectation without any run.
        worst_group: Pair accuracy of the protected group that fares worst; None without groups.
        smallest_reliable_group: Rows of the smallest group whose count is known within 10 %; None if unknown.
        equivalent_subsample: Which share of the rows tells as much; None if unknown.
        seconds: Of one run, a median.
        note: What is to be said of this point alone.
    """

    method: str
    epsilon: float
    delta: float
    mu: float | None = None
    advantage: float
    odds: str
    utility: Mapping[str, Band]
    replicates: int = 0
    worst_group: Band | None = None
    smallest_reliable_group: float | None = None
    equivalent_subsample: float | None = None
    seconds: float = 0.0
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What it cost to look.

    Attributes:
        epsilon: Of the looking itself; 0 where no private row was read.
        delta: Likewise.
        words: The same for the picture.
        release: The digests of the entries of the ledger that paid, or "".
        accounted: Whether the ledger has it; a frontier that is not accounted may guide no release.
    """

    epsilon: float = 0.0
    delta: float = 0.0
    words: str
    release: str = ""
    accounted: bool = True

    def __str__(self) -> str:
        return self.words if self.accounted else f"NOT ACCOUNTED: {self.words}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Frontier:
    """How utility grows with epsilon, for one or more methods.

    Attributes:
        mode: How it was found.
        metric: The one that is drawn and chosen by.
        points: By method, then by epsilon.
        cost: What it cost to look.
        ceiling: By metric what a second sample of the same rows gets.
        floor: By metric what independent columns, or no model at all, get.
        direct: By epsilon what a private model for the one question gets without any table.
        disclosure: Who may see it.
        notes: What it leaves out, sentence by sentence.
    """

    mode: Mode
    metric: str
    points: tuple[FrontierPoint, ...]
    cost: Cost
    ceiling: Mapping[str, float] = field(default_factory=dict)
    floor: Mapping[str, float] = field(default_factory=dict)
    direct: Mapping[float, float] = field(default_factory=dict)
    disclosure: Disclosure
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _validate.one_of("mode", self.mode, MODES)
        lacking = [point.method for point in self.points if self.metric not in point.utility]
        if not self.points or lacking:
            raise ConfigurationError(f"Expected points that all have the metric {self.metric!r}.")
        ordered = tuple(sorted(self.points, key=lambda point: (point.method, point.epsilon)))
        object.__setattr__(self, "points", ordered)

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the methods, sorted."""
        return tuple(dict.fromkeys(point.method for point in self.points))

    def of(self, method: str) -> tuple[FrontierPoint, ...]:
        """The points of one method, by rising epsilon.

        Raises:
            ConfigurationError: There is no such method.
        """
        found = tuple(point for point in self.points if point.method == method)
        if not found:
            raise ConfigurationError(f"Expected one of the methods {list(self.methods)}, got {method!r}.")
        return found

    def choose(self, target: float, *, metric: str | None = None, method: str | None = None) -> Choice:
        """The smallest epsilon whose lower band reaches the target, there and at every larger epsilon.

        Args:
            target: On the scale of the metric.
            metric: None takes that of the frontier.
            method: Look at this one only. Its rate is better, as it is not the best of several.

        Returns:
            Epsilon, method, and the rate at which fresh runs reach the target (see `tuning.choice`).

        Raises:
            ConfigurationError: No epsilon reaches the target, or there is no such metric or method.
        """
        from dpsynth.tuning.choice import choose

        return choose(self, target, metric=metric or self.metric, method=method)

    def compare(self) -> pd.DataFrame:
        """The median of the metric: a line for each epsilon, a column for each method."""
        import pandas as pd

        found: dict[str, dict[float, float]] = {name: {} for name in self.methods}
        for point in self.points:
            found[point.method][point.epsilon] = point.utility[self.metric].median
        frame = pd.DataFrame(found).sort_index()
        return frame.rename_axis("epsilon")

    def to_frame(self) -> pd.DataFrame:
        """One line for each point; each metric has its median and both ends of its band."""
        import pandas as pd

        return pd.DataFrame([_line(point) for point in self.points])

    def to_json(self) -> str:
        """Versioned JSON; the same frontier gives the same bytes."""
        body = {**asdict(self), "version": _VERSION, "direct": sorted(self.direct.items())}
        return json.dumps(finite(body), indent=1, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Frontier:
        """What `to_json` gave.

        Raises:
            StorageError: It is no frontier of a known version.
        """
        try:
            body = json.loads(text)
            if body.pop("version") != _VERSION:
                raise StorageError(f"Expected a frontier of version {_VERSION!r}.")
            body["points"] = tuple(_point(line) for line in body["points"])
            body["cost"] = Cost(**body["cost"])
            body["disclosure"] = Disclosure(**body["disclosure"])
            body["direct"] = {epsilon: number_of(value) for epsilon, value in body["direct"]}
            for name in ("ceiling", "floor"):
                body[name] = {metric: number_of(value) for metric, value in body[name].items()}
            body["notes"] = tuple(body["notes"])
            return cls(**body)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StorageError("The text is no frontier, or it is damaged.") from error

    def to_svg(self) -> str:
        """The picture as one SVG document, for light and dark; its mode and its cost are written on it."""
        from dpsynth.tuning.drawing import svg

        return svg(self)

    def plot(self, axes: Any) -> Any:
        """Draw on matplotlib axes of the caller, and return them."""
        from dpsynth.tuning.plotting import plot

        return plot(self, axes)

    def _repr_html_(self) -> str:
        from dpsynth.tuning.page import glance

        cost, disclosure = escape(str(self.cost)), escape(str(self.disclosure))
        head = f"<p><b>{escape(self.mode)}</b>: {cost}. Who may see it: <b>{disclosure}</b>.</p>"
        return head + self.to_svg() + glance(self)


def _line(point: FrontierPoint) -> dict[str, Any]:
    names = ("method", "epsilon", "delta", "mu", "advantage", "odds")
    line: dict[str, Any] = {name: getattr(point, name) for name in names}
    for metric, band in point.utility.items():
        line |= {metric: band.median, f"{metric} low": band.low, f"{metric} high": band.high}
    group = point.worst_group
    return line | {
        "worst group": None if group is None else group.median,
        "smallest reliable group": point.smallest_reliable_group,
        "equivalent subsample": point.equivalent_subsample,
        "replicates": point.replicates,
        "seconds": point.seconds,
        "note": point.note,
    }


def _point(line: Mapping[str, Any]) -> FrontierPoint:
    group = line["worst_group"]
    found = {
        **line,
        "utility": {metric: Band(**band) for metric, band in line["utility"].items()},
        "worst_group": None if group is None else Band(**group),
    }
    return FrontierPoint(**found)
