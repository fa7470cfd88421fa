"""One run with many canaries: what training on rows gives away, without thousands of trainings.

Each canary is a row with a code that no other row has, so that it moves counts and parameters of its own: a
row can hardly show more of itself. Fair coins say which are in the table. The attacker knows everything else
and sees everything that the run gave out: the noisy counts, and after each round the moving average of the
noised gradients, from which he takes the part that only this canary moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dpsynth import _validate
from dpsynth._lazy import require
from dpsynth.auditing.count_scores import count_scores, log_ratios
from dpsynth.auditing.evidence import Check, Claim, Evidence, configuration_digest
from dpsynth.auditing.gdp_bound import claimed_mu
from dpsynth.auditing.laws import FloatArray
from dpsynth.auditing.one_run_bound import one_run_bound
from dpsynth.auditing.recorded import TAINTED, Answered, Runs
from dpsynth.auditing.worst_cases import MadeUp, empty_like
from dpsynth.generators.base import Generator, Rng, random_generator
from dpsynth.mechanisms import DpSgd, Measurement
from dpsynth.mechanisms._clipped_sum import GRID_BITS, Recorded, clipped_sum, views
from dpsynth.privacy.budget import Budget

__all__ = ["audit_canaries"]

_BUDGET = Budget(epsilon=1.0, delta=1e-5)
_DECAY = 0.9  # of Adam's moving average of gradients


def audit_canaries(
    generator: Generator,
    *,
    budget: Budget = _BUDGET,
    canaries: int = 1000,
    guessed: float = 0.25,
    rng: Rng = None,
) -> Evidence:
    """Put canaries into a table by fair coins, run a method once, and guess the coins.

    Args:
        generator: The configured method, one that trains on rows.
        budget: What the run may spend.
        canaries: How many rows may be in.
        guessed: Share of the canaries about which the attacker says something: half of them those that look
            most as if they were in, half those that look least so. Fixed before the run.
        rng: Seed of the coins and of the post-processing; noise takes no seed.

    Raises:
        ConfigurationError: There are too few canaries, or `guessed` is no share.
        MissingExtraError: torch is not installed.
    """
    _validate.count("canaries", canaries, least=16)
    if guessed != 1:
        _validate.fraction("guessed", guessed)
    source = random_generator(rng)
    present = source.random(canaries) < 0.5
    made = MadeUp(sizes=(canaries,), rows=np.flatnonzero(present)[:, None])
    run = Runs(generator, budget).on(made, rng=int(source.integers(2**31)))
    scores = sum((_scores(each, made) for each in run.answered), np.zeros(canaries))
    half = max(1, int(canaries * guessed) // 2)
    order = np.argsort(scores, kind="stable")
    right, guesses = int(present[order[-half:]].sum() + (~present[order[:half]]).sum()), 2 * half
    delta = run.guarantee.delta
    bound, ceiling = (
        one_run_bound(number, guesses, canaries=canaries, delta=delta) for number in (right, guesses)
    )
    claim = Claim(
        epsilon=run.guarantee.epsilon, delta=delta, mu=claimed_mu(generator.plan(made.schema, budget))
    )
    kept = bound <= claim.epsilon
    return Evidence(
        audit="one-run-canaries/1",
        level="end-to-end",
        method=generator.name,
        configuration=configuration_digest(generator),
        threat_model=_threat(canaries, guesses, tainted=bool(run.guarantee.taints)),
        claim=claim,
        runs=canaries,
        lower_bound=bound,
        ceiling=ceiling,
        checks=(
            Check(
                name="lower bound",
                passed=kept,
                detail=f"{right} of {guesses} guesses were right; the bound is "
                f"{'within' if kept else 'above'} the claim",
            ),
            Check(
                name="could have failed",
                passed=ceiling > claim.epsilon,
                detail="the ceiling is above the claim",
            ),
            Check(
                name="price",
                passed=run.guarantee.holds(),
                detail="the guarantee covers its events, priced again",
            ),
        ),
    )


def _scores(answered: Answered, made: MadeUp) -> FloatArray:
    """For each canary how much likelier an answer is with it than without, in logarithms, roughly."""
    asked, found = answered.mechanism, answered.measurement
    if isinstance(asked, DpSgd):
        return _trained(asked, found, made)
    canaries = np.arange(made.sizes[0])[:, None]
    return count_scores(asked, found, empty_like(made), canaries, trusting=False)


def _trained(asked: DpSgd, measurement: Measurement, made: MadeUp) -> FloatArray:
    """From the moving average of noised gradients: its part in the parameters that only one canary moves."""
    own = _Own.of(asked, made)
    powers = _DECAY ** np.arange(asked.steps)
    start, end = asked.start.first.astype(np.float64), measurement.values[2].astype(np.float64)
    average = (end - _DECAY**asked.steps * start) / (1 - _DECAY)
    noised = (average[: own.public.size] - powers.sum() * own.public).reshape(-1, own.gradients.shape[1])
    signal = asked.sampling_rate * powers.sum() * own.gradients  # what the canary adds, on average
    surplus = noised[: len(signal)] * (asked.batch / asked.clip) - signal / 2
    variance = np.full(signal.shape, (powers**2).sum() * asked.noise_multiplier**2)
    return log_ratios(surplus, signal, variance)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Own:
    """Gradients at the start of a round, in the first layer, which has one row of parameters for each code.

    Attributes:
        gradients: For each canary its clipped gradient in the row of its code, in clips.
        public: The mean gradient of the public rows, with its weight, flat over the whole layer.
    """

    gradients: FloatArray
    public: FloatArray

    @classmethod
    def of(cls, asked: DpSgd, made: MadeUp) -> _Own:
        """At the parameters from which `asked` starts."""
        torch = require("torch", extra="deep")
        domain, parameters = made.schema.domain.only(asked.columns), torch.tensor(asked.start.parameters)
        layers, codes = asked.network.layers(domain), torch.arange(made.sizes[0])[:, None]
        recorded = Recorded(layers, parameters)
        noise = torch.zeros((len(codes), asked.network.noise_size))
        losses = asked.network.losses(recorded, domain, codes, noise)
        slopes = torch.autograd.grad(losses.sum(), [output for *_, output in recorded.seen])
        squares = sum(
            ((2.0 if layer.embedding else 1 + inputs.square().sum(1)) * slope.square().sum(1))
            for (layer, inputs, _), slope in zip(recorded.seen, slopes, strict=True)
        )
        scale = (asked.clip / torch.sqrt(squares)).clamp(max=1.0) / asked.clip
        own = (slopes[0] * scale[:, None]).double().numpy()
        size = views(layers, parameters)[layers[0].name].numel()
        return cls(gradients=own, public=_public(asked, made)[:size])


def _public(asked: DpSgd, made: MadeUp) -> FloatArray:
    """What the first public rows of a round add to a mean gradient."""
    torch = require("torch", extra="deep")
    rows = asked.public[: asked.public_batch]
    if not asked.public_weight or not len(rows):
        return np.zeros(asked.start.parameters.size)
    total = clipped_sum(
        asked.network,
        made.schema.domain.only(asked.columns),
        torch.tensor(asked.start.parameters),
        torch.tensor(rows),
        torch.zeros((len(rows), asked.network.noise_size)),
        clip=asked.clip,
        public=True,
    )
    share = asked.clip * 2.0**-GRID_BITS * asked.public_weight / len(rows)
    return np.asarray(total * share, np.float64)


def _threat(canaries: int, guesses: int, *, tainted: bool) -> str:
    return (
        f"One run on a table of canaries, {canaries} rows with a code of their own that fair coins put in or "
        "leave out. The attacker knows the method, its parameters and all rows but for the coins, sees every "
        f"noisy count and, after each round, the whole state of training, and guesses {guesses} of the "
        f"coins: half of them in, half out.{TAINTED if tainted else ''}"
    )
