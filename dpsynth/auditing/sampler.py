"""Drawn noise against the law that was paid for, through sessions on a made-up table with known counts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from dpsynth import _validate
from dpsynth.auditing.copies import checks_of_copies
from dpsynth.auditing.evidence import Check, Claim, Evidence, configuration_digest
from dpsynth.auditing.gdp_bound import claimed_mu, epsilon_of, mu_bound, rate_bound
from dpsynth.auditing.laws import Chosen, counted_by, laws
from dpsynth.auditing.recorded import TAINTED, Answered, Runs, asked_again
from dpsynth.auditing.uniformity import LEVEL, Draw, checks_of_choices, checks_of_noise
from dpsynth.auditing.worst_cases import MadeUp, empty_like, skewed
from dpsynth.generators.base import Generator, Rng, random_generator
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
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.events import PoissonGaussianEvent

__all__ = ["audit_sampler"]

_BUDGET = Budget(epsilon=1.0, delta=1e-6)
_RUNS = 4
_SHIFT = 2.0  # deviations between the two laws of the game: more would use less of the draws
_DECAY = 0.9  # of Adam's moving average of gradients
_STEP_BITS = 28  # noised sums of gradients are multiples of clip 2^-28


def audit_sampler(
    generator: Generator, *, budget: Budget = _BUDGET, draws: int = 10_000, rng: Rng = None
) -> Evidence:
    """Compare the noise of everything that a method asks with the law that its price stands for.

    Some whole runs are made; then everything that the first one asked is asked again, with fresh noise, until
    there are `draws` numbers of each kind: noise of counts and scores, choices, and noise of training, taken
    from the state that it leaves on a table without rows. Every number is turned into one that is uniform if
    its law is the one that was paid for, and tested two-sidedly.

    The bound on mu is that of a game on single numbers: noise, or noise moved by two of its claimed
    deviations. It holds for the whole run in so far as its noise is Gaussian and one factor off everywhere,
    with a confidence of 1 - 1e-6, and so at 95 % too.

    Args:
        generator: The configured method.
        budget: What each run may spend.
        draws: How many numbers of each kind.
        rng: Seed of the post-processing and of the auditor's own numbers; noise takes no seed.

    Raises:
        ConfigurationError: The method asks something whose law the audit does not know.
    """
    _validate.count("draws", draws, least=100)
    made, game = skewed(), Runs(generator, budget)
    source = random_generator(rng)
    runs = [game.on(made) for _ in range(_RUNS)]
    first, drawn = runs[0], _Drawn(made, source)
    for place in range(max(len(run.answered) for run in runs)):
        drawn.add(run.answered[place] for run in runs if place < len(run.answered))
    drawn.ask_again([each.mechanism for each in first.answered], draws)
    checks = (*drawn.checks(), *checks_of_copies())
    mu, delta = claimed_mu(generator.plan(made.schema, budget)), first.guarantee.delta
    bound, ceiling = (None, None) if mu is None else (mu * share for share in drawn.shares())
    return Evidence(
        audit="sampler/1",
        level="sampler",
        method=generator.name,
        configuration=configuration_digest(generator),
        threat_model=_threat(drawn.numbers, len(checks), tainted=bool(first.guarantee.taints)),
        claim=Claim(epsilon=first.guarantee.epsilon, delta=delta, mu=mu),
        runs=drawn.numbers,
        lower_bound=None if bound is None else epsilon_of(bound, delta),
        lower_bound_mu=bound,
        ceiling=None if ceiling is None else epsilon_of(ceiling, delta),
        ceiling_mu=ceiling,
        checks=checks,
    )


class _Drawn:
    """All noise that was drawn, as numbers that are to be uniform.

    Args:
        made: The table that was measured.
        rng: Of the auditor.
    """

    def __init__(self, made: MadeUp, rng: np.random.Generator) -> None:
        self._made, self._rng = made, rng
        self._noise: list[list[Draw]] = []
        self._choices: list[Draw] = []

    @property
    def numbers(self) -> int:
        """How many numbers were drawn."""
        return sum(draw.uniform.size for draw in (*self._all_noise(), *self._choices))

    def add(self, answers: Iterable[Answered]) -> None:
        """Answers at one place of several runs, or to one question several times, in order."""
        series: list[Draw] = []
        for answered in answers:
            draw, choice = self._uniform(answered)
            (self._choices if choice else series).extend(draw)
        self._noise.append(series)

    def ask_again(self, mechanisms: Sequence[Mechanism], draws: int) -> None:
        """Ask everything again until there are so many numbers of each kind."""
        choices = [each for each in mechanisms if isinstance(each, ExponentialMechanism)]
        training = [each for each in mechanisms if isinstance(each, DpSgd)][:1]
        counts = [each for each in mechanisms if not isinstance(each, (ExponentialMechanism, DpSgd))]
        for group, made in ((choices, self._made), (counts, self._made), (training, empty_like(self._made))):
            for each in group:
                asked = _one_step(each) if isinstance(each, DpSgd) else each
                answers = (
                    Answered(mechanism=asked, measurement=found)
                    for found in asked_again(asked, made, times=_times(asked, made, draws / len(group)))
                )
                self.add(answers)

    def checks(self) -> tuple[Check, ...]:
        """Of everything."""
        found = checks_of_noise(self._noise)
        return (*found, *checks_of_choices(self._choices)) if self._choices else found

    def shares(self) -> tuple[float, float]:
        """Bound and ceiling of the game on single numbers, as shares of the mu that is claimed."""
        numbers = np.concatenate([draw.normal for draw in self._all_noise()])
        right = int((numbers[::2] < _SHIFT / 2).sum() + (numbers[1::2] > -_SHIFT / 2).sum())
        found = (
            mu_bound(rate_bound(each, numbers.size, confidence=1 - LEVEL)) for each in (right, numbers.size)
        )
        bound, ceiling = (each / _SHIFT for each in found)
        return bound, ceiling

    def _all_noise(self) -> Iterator[Draw]:
        return (draw for series in self._noise for draw in series)

    def _uniform(self, answered: Answered) -> tuple[list[Draw], bool]:
        """The numbers of one answer, and whether it is a choice."""
        mechanism, measurement = answered.mechanism, answered.measurement
        if isinstance(mechanism, DpSgd):
            return _training(mechanism, measurement, self._made), False
        known = laws(mechanism, measurement, self._made)
        values = [np.asarray(each, np.float64) for each in measurement.values]
        uniform = [
            law.uniforms(each, self._rng.random(each.size)) for law, each in zip(known, values, strict=True)
        ]
        exact = [np.ones(1) if isinstance(law, Chosen) else law.exact for law in known]
        draw = Draw(uniform=np.concatenate(uniform), empty=np.concatenate(exact) == 0)
        return [draw], isinstance(known[0], Chosen)


def _one_step(mechanism: DpSgd) -> DpSgd:
    """One step of the same training without public rows: its gradient is the noised sum alone."""
    return replace(mechanism, steps=1, public_weight=0.0)


def _training(mechanism: DpSgd, measurement: Measurement, made: MadeUp) -> list[Draw]:
    """The noise of one step on a table without rows, from the moving average of the gradients.

    Rounding the average to single precision moves the noise by parts in a million.
    """
    from scipy.special import ndtr

    if mechanism.steps != 1 or mechanism.public_weight:
        return []  # a whole round of a run: its steps cannot be told apart
    start, end = mechanism.start.first.astype(np.float64), measurement.values[2].astype(np.float64)
    gradient = (end - _DECAY * start) / (1 - _DECAY)
    sigma = mechanism.sigma(made.schema.domain, made.unit) * 2.0**-_STEP_BITS
    if isinstance(
        event := measurement.event, PoissonGaussianEvent
    ):  # rounding adds to it, nothing takes away
        sigma = max(sigma, event.noise_multiplier * made.unit.contributions)
    noise = gradient * mechanism.batch / mechanism.clip / sigma
    return [Draw(uniform=ndtr(noise), empty=np.ones(noise.size, bool))]


def _times(mechanism: Mechanism, made: MadeUp, numbers: float) -> int:
    """How often to ask for so many numbers, an even number of times."""
    size = 1
    match mechanism:
        case DpSgd():
            size = mechanism.start.parameters.size
        case NoisyScores():
            size = len(mechanism.score.cliques)
        case ScoreHistogram():
            size = len(mechanism.edges) + 1
        case GaussianMechanism() | LaplaceMechanism():
            size = sum(int(made.counts(counted_by(query)).size) for query in mechanism.queries)
    return 2 * math.ceil(numbers / size / 2)


def _threat(numbers: int, checks: int, *, tainted: bool) -> str:
    return (
        f"{numbers} numbers drawn through sessions on a made-up table whose exact counts the auditor knows, "
        "against the laws that the paid events stand for. An honest sampler fails one of the "
        f"{checks} checks with a probability of at most {checks * LEVEL:.1g}. The bound on mu takes the "
        f"noise as Gaussian and one factor off everywhere.{TAINTED if tainted else ''}"
    )
