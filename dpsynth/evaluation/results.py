"""What an evaluation found: a number that never comes without its yardsticks and its class of disclosure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from dpsynth import _validate
from dpsynth.errors import ConfigurationError, StorageError
from dpsynth.evaluation.json_numbers import finite, number_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CONFIDENTIAL",
    "FAMILIES",
    "PUBLIC",
    "Better",
    "Disclosure",
    "Evaluation",
    "Family",
    "Part",
    "Result",
    "worst",
]

Family = Literal["fidelity", "utility", "privacy", "bias"]
Better = Literal["lower", "higher", "neither"]
FAMILIES: tuple[Family, ...] = ("fidelity", "utility", "privacy", "bias")
_VERSION = "dpsynth-evaluation/1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Disclosure:
    """Who may see a number.

    Attributes:
        kind: `public` is computed without private data, or from synthetic rows alone; `dp` was released with
            noise that the ledger has; `confidential` is a plain function of private rows.
        epsilon: What a `dp` number cost, together with the others of its release.
        delta: Likewise.
        release: Names the reservation in the ledger that paid; prices of different ones add up.
    """

    kind: Literal["public", "dp", "confidential"]
    epsilon: float = 0.0
    delta: float = 0.0
    release: str = ""

    def __post_init__(self) -> None:
        _validate.one_of("kind", self.kind, ("public", "dp", "confidential"))
        if (self.kind == "dp") != (self.epsilon > 0):
            raise ConfigurationError("Expected a positive epsilon for numbers with noise, and for no others.")

    def __str__(self) -> str:
        if self.kind == "dp":
            return f"DP(epsilon = {self.epsilon:.4g}, delta = {self.delta:.3g})"
        return self.kind.upper()


PUBLIC = Disclosure(kind="public")
CONFIDENTIAL = Disclosure(kind="confidential")


def worst(several: Iterable[Disclosure]) -> Disclosure:
    """The class of something that was computed from all of these: the worst.

    Prices of different releases add up (basic composition); the numbers of one release share its price.
    """
    found = tuple(several)
    if CONFIDENTIAL in found:
        return CONFIDENTIAL
    paid = {one.release: one for one in found if one.kind == "dp"}
    if len(paid) < 2:
        return next(iter(paid.values()), PUBLIC)
    return Disclosure(
        kind="dp",
        epsilon=sum(one.epsilon for one in paid.values()),
        delta=sum(one.delta for one in paid.values()),
        release=" + ".join(sorted(paid)),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """The same number for one column, a pair, or a group."""

    label: tuple[str, ...]
    value: float
    ceiling: float | None = None
    floor: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One metric.

    Attributes:
        name: Short and stable, for programs.
        family: Which question it helps to answer.
        title: For people.
        value: Of the synthetic table; NaN if it is not defined for these tables, `note` says why.
        ceiling: What a second real sample of the same size gets; None where there is no such thing.
        floor: What independent columns get: each right by itself, and nothing else.
        interval: 95 % confidence, where it is known.
        better: Which values are good.
        rows: On how many rows it rests.
        seed: Of what is drawn.
        disclosure: Who may see it.
        note: What the number means, in a sentence.
        parts: The same for columns, pairs or groups, worst first.
    """

    name: str
    family: Family
    title: str
    value: float
    ceiling: float | None = None
    floor: float | None = None
    interval: tuple[float, float] | None = None
    better: Better = "lower"
    rows: int = 0
    seed: int | None = None
    disclosure: Disclosure = CONFIDENTIAL
    note: str = ""
    parts: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        _validate.one_of("family", self.family, FAMILIES)
        _validate.one_of("better", self.better, ("lower", "higher", "neither"))

    @property
    def achieved(self) -> float | None:
        """The share of the way from the floor to the ceiling; None where there is no way to go."""
        if self.ceiling is None or self.floor is None or math.isclose(self.ceiling, self.floor):
            return None
        return (self.value - self.floor) / (self.ceiling - self.floor)

    def to_json(self) -> dict[str, Any]:
        """JSON values; what is not finite becomes null."""
        found: dict[str, Any] = finite(asdict(self))
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """All results of one synthetic table.

    Attributes:
        title: Of the table.
        facts: Sizes, seed and mode, for the head of a report. Confidential, as the number of real rows is.
        results: In the order in which they are shown.
    """

    title: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    results: tuple[Result, ...]

    @property
    def disclosure(self) -> Disclosure:
        """The worst class of all results."""
        return worst(result.disclosure for result in self.results)

    def __getitem__(self, name: str) -> Result:
        for result in self.results:
            if result.name == name:
                return result
        known = ", ".join(result.name for result in self.results)
        raise KeyError(f"No result {name!r}; there are: {known}.")

    def family(self, family: Family) -> tuple[Result, ...]:
        """The results of one family."""
        return tuple(result for result in self.results if result.family == family)

    def publishable(self) -> Evaluation:
        """What is not confidential. Without the facts: the number of real rows is one of them."""
        kept = tuple(result for result in self.results if result.disclosure.kind != "confidential")
        return Evaluation(title=self.title, results=kept)

    def to_json(self) -> str:
        """Versioned JSON; the same results give the same bytes."""
        body = {
            "version": _VERSION,
            "title": self.title,
            "disclosure": asdict(self.disclosure),
            "facts": finite(dict(self.facts)),
            "results": [result.to_json() for result in self.results],
        }
        return json.dumps(body, indent=1, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Evaluation:
        """What `to_json` gave; null becomes NaN.

        Raises:
            StorageError: It is no evaluation of a known version.
        """
        try:
            body = json.loads(text)
            if body["version"] != _VERSION:
                raise StorageError(f"Expected an evaluation of version {_VERSION!r}.")
            results = tuple(_result(line) for line in body["results"])
            return cls(title=body["title"], facts=body["facts"], results=results)
        except (KeyError, TypeError, ValueError) as error:
            raise StorageError("The text is no evaluation, or it is damaged.") from error

    def to_frame(self) -> pd.DataFrame:
        """One line for each result, without parts."""
        import pandas as pd

        names = ("family", "name", "value", "floor", "ceiling", "better", "rows", "note")
        lines = [
            {**{name: getattr(result, name) for name in names}, "disclosure": str(result.disclosure)}
            for result in self.results
        ]
        return pd.DataFrame(lines, columns=[*names, "disclosure"])

    def _repr_html_(self) -> str:
        head = f"<p><b>{self.disclosure}</b></p>"
        table: str = self.to_frame().to_html(index=False, float_format="{:.4f}".format, na_rep="")
        return head + table


def _result(line: Mapping[str, Any]) -> Result:
    body = dict(line)
    body["disclosure"] = Disclosure(**body["disclosure"])
    body["value"] = number_of(body["value"])
    body["interval"] = None if body["interval"] is None else tuple(body["interval"])
    body["parts"] = tuple(
        Part(**{**part, "label": tuple(part["label"]), "value": number_of(part["value"])})
        for part in body["parts"]
    )
    return Result(**body)
