"""How far one unit moves what a mechanism computes, against what is declared, drawn and paid.

The noise that is compared is the one that the mechanism really added, seen by loud words (`known_words`). So
three different errors are told apart: a declared sensitivity that is too small, noise that is smaller than
the declared sensitivity needs, and an event that is cheaper than both.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dpsynth.auditing.exact_answers import ask, exact, loud
from dpsynth.auditing.known_words import LOUD_GAUSSIAN, LOUD_LAPLACE, Answering, gumbel_word
from dpsynth.auditing.made_up import Neighbours
from dpsynth.mechanisms import (
    DpSgd,
    ExponentialMechanism,
    GaussianMechanism,
    LaplaceMechanism,
    Measurement,
    Mechanism,
    NoisyScores,
    ScoreHistogram,
)
from dpsynth.mechanisms.queries import marginal_sensitivity
from dpsynth.privacy.events import ExponentialEvent, GaussianEvent, LaplaceEvent
from dpsynth.privacy.unit import Unit

__all__ = [
    "Part",
    "Verdicts",
    "choices",
    "exact_everywhere",
    "moved",
    "noised",
    "parts",
    "priced",
    "too_quiet",
]

_TOLERANCE = 1 + 1e-9
_REACHED = 1.02
"""A candidate that is ahead by so much more than the stated rate says has to be chosen."""

Array = np.ndarray[Any, Any]
Verdicts = Iterator[tuple[str, str]]
"""Names of broken checks, and what is broken."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One vector of numbers that a mechanism releases together, with what it says about it.

    Attributes:
        what: The question, in words.
        declared: How far neighbours may be apart.
        norm: In which norm: 1, 2, or infinity where each number has a bound of its own.
        share: Price of the vector, which is `declared` divided by its scale of noise; 0 for a selection.
        loudest: What noise from loud words is in units of its scale.
    """

    what: str
    declared: float
    norm: float
    share: float = 0.0
    loudest: float = LOUD_GAUSSIAN


def parts(mechanism: Mechanism, unit: Unit) -> tuple[Part, ...]:
    """What there is to compare, one for each array of exact answers; none for what is looked at elsewhere."""
    if isinstance(mechanism, GaussianMechanism):
        return tuple(
            Part(what=_words(query.describe()), declared=query.sensitivity(unit).l2, norm=2, share=mu)
            for query, mu in zip(mechanism.queries, mechanism.mus, strict=True)
        )
    if isinstance(mechanism, LaplaceMechanism):
        return tuple(
            Part(
                what=_words(query.describe()),
                declared=query.sensitivity(unit).l1,
                norm=1,
                share=epsilon,
                loudest=LOUD_LAPLACE,
            )
            for query, epsilon in zip(mechanism.queries, mechanism.epsilons, strict=True)
        )
    if isinstance(mechanism, ScoreHistogram):
        declared = marginal_sensitivity(unit).l2
        return (Part(what="a histogram of scores", declared=declared, norm=2, share=mechanism.mu),)
    if isinstance(mechanism, NoisyScores):
        score = mechanism.score
        share = mechanism.mu / math.sqrt(len(score.cliques))
        declared = float(score.sensitivity(unit))
        return (Part(what="scores of candidates", declared=declared, norm=math.inf, share=share),)
    if isinstance(mechanism, ExponentialMechanism):
        declared = float(mechanism.score.sensitivity(unit))
        return (Part(what="scores of a selection", declared=declared, norm=math.inf),)
    return ()


def exact_everywhere(
    mechanisms: Sequence[Mechanism], ground: Neighbours
) -> dict[str, tuple[tuple[Any, ...], ...]]:
    """Exact answers on every table of `ground`."""
    return {name: exact(mechanisms, ground.schema, frame) for name, frame in ground.tables.items()}


def moved(
    mechanisms: Sequence[Mechanism], answers: Mapping[str, tuple[tuple[Any, ...], ...]], ground: Neighbours
) -> Verdicts:
    """Where the exact answers on two neighbours are further apart than declared."""
    for position, mechanism in enumerate(mechanisms):
        for place, part in enumerate(parts(mechanism, ground.schema.unit)):
            check = "selection" if part.norm == math.inf else "sensitivity"
            for one, two in (pair for pair in ground.pairs if set(pair) <= set(answers)):
                left, right = answers[one][position][place], answers[two][position][place]
                if left.shape != right.shape:
                    yield "domain", f"The size of {part.what} depends on the rows."
                elif _distance(left, right, part.norm) > part.declared * _TOLERANCE:
                    yield check, f"{part.what} move further than declared, by the unit called {one!r}."


def noised(mechanisms: Sequence[Mechanism], ground: Neighbours) -> Verdicts:
    """Where the noise that is really drawn is less than the declared sensitivity and the price need."""
    additive = [each for each in mechanisms if any(p.share for p in parts(each, ground.schema.unit))]
    seen: dict[str, list[tuple[Array, ...]]] = {}
    for name in ("base", "without"):
        frame = ground.tables[name]
        plain = exact(additive, ground.schema, frame)
        noisy, taken = loud(additive, ground.schema, frame)
        seen[name] = [
            tuple(n - p for n, p in zip(a, b, strict=True)) for a, b in zip(noisy, plain, strict=True)
        ]
        for answer, words in zip(noisy, taken, strict=True):
            if words != sum(values.size for values in answer):
                yield "draws", "A draw took more or fewer words of noise than its answer has numbers."
    yield from too_quiet(additive, seen["base"], seen["without"], ground.schema.unit)


def too_quiet(
    mechanisms: Sequence[Mechanism],
    base: Sequence[tuple[Array, ...]],
    without: Sequence[tuple[Array, ...]],
    unit: Unit,
) -> Verdicts:
    """Where noise from loud words, on two neighbours, is too small or not the same."""
    for position, mechanism in enumerate(mechanisms):
        for place, part in enumerate(parts(mechanism, unit)):
            noise, other = base[position][place], without[position][place]
            needed = part.declared / part.share * part.loudest
            if noise.size and float(noise.min()) + 0.5 < needed * (1 - 1e-4):
                yield "noise", f"The noise on {part.what} is less than its price needs."
            if not np.array_equal(noise, other):
                yield "noise", f"The noise on {part.what} depends on the rows."


def priced(mechanism: Mechanism, measurement: Measurement) -> Verdicts:
    """Where an event is cheaper than the parameters of its mechanism."""
    event = mechanism.event()
    if event != measurement.event:
        yield "bill", "A measurement carries another event than its mechanism."
    if isinstance(mechanism, GaussianMechanism):
        needed = math.sqrt(math.fsum(mu**2 for mu in mechanism.mus))
        cheap = not isinstance(event, GaussianEvent) or event.mu * _TOLERANCE < needed
    elif isinstance(mechanism, LaplaceMechanism):
        needed = math.fsum(mechanism.epsilons)
        cheap = not isinstance(event, LaplaceEvent) or event.epsilon * _TOLERANCE < needed
    elif isinstance(mechanism, (NoisyScores, ScoreHistogram)):
        cheap = not isinstance(event, GaussianEvent) or event.mu < mechanism.mu
    elif isinstance(mechanism, ExponentialMechanism):
        cheap = not isinstance(event, ExponentialEvent) or event.epsilon < mechanism.epsilon
    else:
        cheap = not isinstance(mechanism, DpSgd)
    if cheap:
        yield "bill", "An event is cheaper than its mechanism, or this audit does not know the mechanism."


def choices(mechanism: ExponentialMechanism, scores: Array, ground: Neighbours) -> Verdicts:
    """Whether a selection hides its scores as far as it says: a candidate just ahead by its noise wins.

    The noise of two candidates is set so that the worse one is ahead by a fiftieth, if scores are weighted as
    stated. One that is weighted more heavily would lose.
    """
    rate = mechanism.epsilon / (2 * float(mechanism.score.sensitivity(ground.schema.unit)))
    order = np.argsort(-scores, kind="stable")
    best = int(order[0])
    behind = [int(i) for i in order[1:] if 0.02 < rate * float(scores[best] - scores[i]) < 20]
    if not behind:
        return
    rival = behind[0]
    ahead = rate * float(scores[best] - scores[rival]) * _REACHED + 1e-3
    words = np.full(scores.size, gumbel_word(-2.0), dtype=np.uint64)
    words[best], words[rival] = gumbel_word(0.0), gumbel_word(ahead)
    # What lies between the two in score must not win either: it has the least noise there is.
    scripted = Answering(lambda count: words if count == scores.size else None)
    (answer,) = ask([mechanism], ground.schema, ground.tables["base"], lambda _: scripted)
    if int(answer.values[0][0]) != rival:
        yield "selection", "A selection weighs its scores more heavily than its price allows."


def _distance(left: Array, right: Array, norm: float) -> float:
    apart = np.abs(np.asarray(left, dtype=np.float64) - np.asarray(right, dtype=np.float64))
    return float(np.linalg.norm(apart.ravel(), norm)) if apart.size else 0.0


def _words(description: Mapping[str, Any]) -> str:
    columns = description.get("columns")
    return f"counts of {' and '.join(columns)}" if columns else "the number of rows"
