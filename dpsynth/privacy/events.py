"""Privacy events: frozen descriptions of what was done to the data, and nothing else.

An event holds the numbers that are necessary and sufficient to price it, already normalised by the
sensitivity of the query under the unit of privacy in force (pitfalls P14, P20): a mechanism computes
them, nobody types them. Rules of evolution, so that old ledgers can always be priced again: the
meaning of an event never changes under its name; a corrected event gets a new version; an accountant
that does not know an event says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeAlias

from dpsynth import _validate
from dpsynth.errors import ConfigurationError, UnsupportedEventError

Json: TypeAlias = "dict[str, Any]"

_MOST_RUNS = 1e6  # more cannot be waited for


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Base of all events."""

    name: ClassVar[str] = ""

    def to_json(self) -> Json:
        """The event as plain JSON values; `event_from_json` reads it back."""
        return {"type": self.name} | {f.name: _plain(getattr(self, f.name)) for f in fields(self)}

    def __str__(self) -> str:
        values = (f"{f.name} = {_readable(getattr(self, f.name))}" for f in fields(self))
        return f"{self.name.partition('/')[0]}({', '.join(values)})"


@dataclass(frozen=True, kw_only=True, slots=True)
class GaussianEvent(Event):
    """The Gaussian mechanism with L2 sensitivity / sigma = mu: exactly mu-GDP (Dong et al., 2022)."""

    name: ClassVar[str] = "gaussian/1"
    mu: float

    def __post_init__(self) -> None:
        _validate.positive("mu", self.mu)


@dataclass(frozen=True, kw_only=True, slots=True)
class LaplaceEvent(Event):
    """The Laplace mechanism with L1 sensitivity / scale = epsilon."""

    name: ClassVar[str] = "laplace/1"
    epsilon: float

    def __post_init__(self) -> None:
        _validate.positive("epsilon", self.epsilon)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExponentialEvent(Event):
    """The exponential mechanism whose log-probability ratios lie in a window of length epsilon.

    `epsilon` is the *bounded range* (Durfee and Rogers, 2019): weights exp(epsilon q / (2 Δ)) for a
    score of sensitivity Δ that may move both ways, exp(epsilon q / Δ) for a monotone one (pitfall
    P40). It implies epsilon-DP, rho = epsilon²/8 (Cesar and Rogers, 2021) and mu = sqrt(pi/8) epsilon
    (docs/explanation/accounting.md).
    """

    name: ClassVar[str] = "exponential/1"
    epsilon: float

    def __post_init__(self) -> None:
        _validate.positive("epsilon", self.epsilon)


@dataclass(frozen=True, kw_only=True, slots=True)
class ZCDPEvent(Event):
    """Anything that is known to be rho-zCDP."""

    name: ClassVar[str] = "zcdp/1"
    rho: float

    def __post_init__(self) -> None:
        _validate.positive("rho", self.rho)


@dataclass(frozen=True, kw_only=True, slots=True)
class ApproximateEvent(Event):
    """Anything that is known to be (epsilon, delta)-DP; epsilon may be 0 (a pure failure event)."""

    name: ClassVar[str] = "approximate/1"
    epsilon: float
    delta: float

    def __post_init__(self) -> None:
        _validate.non_negative("epsilon", self.epsilon)
        _validate.non_negative("delta", self.delta)


@dataclass(frozen=True, kw_only=True, slots=True)
class PoissonGaussianEvent(Event):
    """`steps` Gaussian mechanisms, each on a fresh Poisson sample (DP-SGD), add/remove neighbours.

    Attributes:
        sampling_rate: Public probability with which each unit joins a step.
        noise_multiplier: sigma / L2 sensitivity of one step.
        steps: Number of steps.
    """

    name: ClassVar[str] = "poisson-gaussian/1"
    sampling_rate: float
    noise_multiplier: float
    steps: int

    def __post_init__(self) -> None:
        if _validate.positive("sampling_rate", self.sampling_rate) > 1:
            _validate.fraction("sampling_rate", self.sampling_rate)
        _validate.positive("noise_multiplier", self.noise_multiplier)
        _validate.count("steps", self.steps)


@dataclass(frozen=True, kw_only=True, slots=True)
class RepeatedEvent(Event):
    """`event`, `times` times (adaptively composed with fixed parameters)."""

    name: ClassVar[str] = "repeated/1"
    event: Event
    times: int

    def __post_init__(self) -> None:
        _validate.count("times", self.times)


@dataclass(frozen=True, kw_only=True, slots=True)
class ComposedEvent(Event):
    """Several events of one mechanism, for example a Gaussian one with a probability of failure."""

    name: ClassVar[str] = "composed/1"
    events: tuple[Event, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RepeatSelectEvent(Event):
    """The best of a random number of independent runs; the others, and their number, stay secret.

    Papernot and Steinke (2022). Each run releases a score with its answers, and the best score wins.

    Attributes:
        events: What one run may spend: one of these events, which are not composed with one another. Which
            one it is, a run draws itself, from a fixed law and without looking at the data.
        distribution: Law of the number of runs: "negative-binomial" (truncated: at least one run) or
            "poisson" (there may be none).
        mean: Expected number of runs.
        eta: Shape of the negative binomial law: 0 is the logarithmic one, 1 the geometric one.
    """

    name: ClassVar[str] = "repeat-select/1"
    events: tuple[Event, ...]
    distribution: str
    mean: float
    eta: float = 0.0

    def __post_init__(self) -> None:
        if not self.events or len(set(self.events)) < len(self.events):
            raise ConfigurationError("Expected at least one event that a run may spend, and each once.")
        least = {"negative-binomial": 1.0, "poisson": 0.0}.get(self.distribution)
        if least is None:
            raise ConfigurationError(
                f"Expected the law 'negative-binomial' or 'poisson', got {self.distribution!r}."
            )
        if not least <= _validate.positive("mean", self.mean) <= _MOST_RUNS:
            raise ConfigurationError(f"Expected a mean from {least:g} to {_MOST_RUNS:g}, got {self.mean!r}.")
        if not 0 <= _validate.number("eta", self.eta) <= (_MOST_RUNS if least else 0):
            raise ConfigurationError(f"Expected eta >= 0, and 0 for a Poisson law, got {self.eta!r}.")
        # One spelling of each number, so that equal events have equal digests.
        object.__setattr__(self, "mean", float(self.mean))
        object.__setattr__(self, "eta", float(self.eta))

    def __str__(self) -> str:
        law = f"{self.distribution}, mean = {self.mean:.4g}, eta = {self.eta:.4g}"
        return f"repeat-select({law}; each run {' or '.join(map(str, self.events))})"


@dataclass(frozen=True, kw_only=True, slots=True)
class NonPrivateEvent(Event):
    """A step without any guarantee. Representable, so that it can never be left out in silence."""

    name: ClassVar[str] = "non-private/1"
    reason: str


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value.to_json() if isinstance(value, Event) else value


def _readable(value: object) -> str:
    if isinstance(value, tuple):
        return " and ".join(map(str, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _known() -> dict[str, Callable[..., Event]]:
    classes: Sequence[type[Event]] = (
        GaussianEvent,
        LaplaceEvent,
        ExponentialEvent,
        ZCDPEvent,
        ApproximateEvent,
        PoissonGaussianEvent,
        RepeatedEvent,
        ComposedEvent,
        RepeatSelectEvent,
        NonPrivateEvent,
    )
    return {cls.name: cls for cls in classes}


def event_from_json(data: Mapping[str, Any]) -> Event:
    """Read one event back. Only names in a fixed table are known; nothing is imported (pitfall P21).

    Raises:
        UnsupportedEventError: The name, or a field, is not known to this version.
    """
    if not isinstance(data, Mapping):
        raise UnsupportedEventError("Expected a privacy event as a JSON object.")
    body = dict(data)
    name = body.pop("type", None)
    known = _known()
    if not isinstance(name, str) or name not in known:
        raise UnsupportedEventError(f"Unknown privacy event {name!r}: this version knows {sorted(known)}.")
    try:
        if "event" in body:
            body["event"] = event_from_json(body["event"])
        if "events" in body:
            body["events"] = tuple(event_from_json(event) for event in body["events"])
        return known[name](**body)
    except TypeError as error:
        raise UnsupportedEventError(f"The fields of event {name!r} do not fit this version.") from error
