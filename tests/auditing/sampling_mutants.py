"""Twins of our noise and training, each broken in one way that real packages were. An audit must catch each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from dpsynth.auditing import Evidence
from dpsynth.auditing.canaries import audit_canaries
from dpsynth.auditing.end_to_end import audit_runs
from dpsynth.auditing.sampler import audit_sampler
from dpsynth.auditing.worst_cases import alone, balanced, crowd
from dpsynth.generators.deep import Schedule
from dpsynth.generators.independent import Independent
from dpsynth.generators.mst import MST
from dpsynth.generators.pretraining import Pretraining
from dpsynth.generators.registry import get
from dpsynth.mechanisms import _additive, _noise, gaussian, selection
from dpsynth.mechanisms import dp_sgd as training
from dpsynth.mechanisms._keystream import KeyStream
from dpsynth.mechanisms.base import Sensitivity
from dpsynth.mechanisms.queries import Marginal
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.unit import Unit
from dpsynth.testing.insecure import insecure_noise

Break = Callable[[pytest.MonkeyPatch], None]
Audit = Callable[[], Evidence]


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A broken twin.

    Attributes:
        name: Short.
        pitfall: The number in the list of pitfalls, or the kind of mistake where it has none.
        broken: What is broken.
        level: The audit that must catch it.
        audit: That audit, of a method that meets the break.
        apply: Breaks.
        slow: Whether the audit takes more than a few seconds.
    """

    name: str
    pitfall: str
    broken: str
    level: str
    audit: Audit
    apply: Break
    slow: bool = False

    @contextmanager
    def alive(self) -> Iterator[None]:
        """The break, inside the block."""
        with pytest.MonkeyPatch.context() as patch:
            self.apply(patch)
            yield


def sampler(generator: Any = None, *, draws: int = 2500, epsilon: float = 2.0) -> Audit:
    budget = Budget(epsilon=epsilon, delta=1e-6)
    return lambda: audit_sampler(generator or Independent(), budget=budget, draws=draws, rng=1)


def whole_runs(generator: Any, case: Any, runs: int) -> Audit:
    return lambda: audit_runs(generator, runs=runs, case=case, rng=1)


def canaries() -> Audit:
    schedule = Schedule(rounds=4, steps=1, sampling_rate=1.0, thorough=False, public_weight=0.0, clip=0.05)
    brief = {"hidden": (16,), "latent": 3, "points": 256, "pretraining": Pretraining(rows=2_000, epochs=3)}
    generator = get("dpvae", **brief, schedule=schedule, training_share=0.8)
    budget = Budget(epsilon=1.0, delta=1e-5)
    return lambda: audit_canaries(generator, budget=budget, canaries=300, rng=1)


def scaled(change: Callable[[float], float]) -> Break:
    """Counts get noise of another scale than the one that was paid for."""

    def apply(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(
            gaussian, "rounded_gaussian", lambda sigma, n: _noise.rounded_gaussian(change(sigma), n)
        )

    return apply


def seeded(patch: pytest.MonkeyPatch) -> None:
    def draw(sigma: float, size: int) -> Any:
        with insecure_noise(42):
            return _noise.rounded_gaussian(sigma, size)

    patch.setattr(gaussian, "rounded_gaussian", draw)


def copied_by_fork(patch: pytest.MonkeyPatch) -> None:
    stream = KeyStream()
    patch.setattr(_noise, "source", lambda: stream)


def observed_cells_only(patch: pytest.MonkeyPatch) -> None:
    def answers(table: Any, queries: Any, scales: Any, draw: Any) -> Any:
        exact = table.counts_of([query.counted for query in queries])
        noisy = _additive.noisy_answers(table, queries, scales, draw)
        return tuple(np.where(each > 0, found, 0) for each, found in zip(exact, noisy, strict=True))

    patch.setattr(gaussian, "noisy_answers", answers)


def over_rows(patch: pytest.MonkeyPatch) -> None:
    def answers(table: Any, queries: Any, scales: Any, draw: Any) -> Any:
        less = [scale / max(table.private_rows, 1) for scale in scales]
        return _additive.noisy_answers(table, queries, less, draw)

    patch.setattr(gaussian, "noisy_answers", answers)


def opposite_neighbours(patch: pytest.MonkeyPatch) -> None:
    """The noise of each second cell is that of the first, with the other sign, so that totals come out right."""

    def draw(sigma: float, size: int) -> Any:
        noise = _noise.rounded_gaussian(sigma, size)
        noise[1::2] = -noise[: size - 1 : 2]
        return noise

    patch.setattr(gaussian, "rounded_gaussian", draw)


def one_number_for_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        gaussian, "rounded_gaussian", lambda sigma, n: np.repeat(_noise.rounded_gaussian(sigma, 1), n)
    )


def monotone_price(patch: pytest.MonkeyPatch) -> None:
    def choose(scores: Any, epsilon: float, sensitivity: int) -> int:
        return _choose(scores, 2 * epsilon, sensitivity)

    patch.setattr(selection, "choose", choose)


_choose = selection.choose


def wrong_relation(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        Marginal,
        "sensitivity",
        lambda _, unit: Sensitivity(l1=float(unit.contributions), l2=float(unit.contributions)),
    )


def no_noise_on_pairs(patch: pytest.MonkeyPatch) -> None:
    def draw(sigma: float, size: int) -> Any:
        return np.zeros(size, np.int64) if size > 2 else _noise.rounded_gaussian(sigma, size)

    patch.setattr(gaussian, "rounded_gaussian", draw)


def training_without_noise(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(training, "rounded_gaussian", lambda _, size: np.zeros(size, np.int64))


def no_clipping(patch: pytest.MonkeyPatch) -> None:
    """Gradients up to 256 times as long as they may be."""
    clipped, longer = training.clipped_sum, 256

    def summed(*order: Any, clip: float, **options: Any) -> Any:
        return clipped(*order, clip=clip * longer, **options) * longer

    patch.setattr(training, "clipped_sum", summed)


REPLACED = Unit(relation="replace_one")

MUTANTS = (
    Mutant(
        name="half the noise",
        pitfall="P20",
        broken="sigma is half of what was paid",
        level="sampler",
        audit=sampler(),
        apply=scaled(lambda sigma: sigma / 2),
    ),
    Mutant(
        name="twice the noise",
        pitfall="scale",
        broken="sigma is twice what was paid: private, but not what the certificate says",
        level="sampler",
        audit=sampler(),
        apply=scaled(lambda sigma: sigma * 2),
    ),
    Mutant(
        name="half the noise, whole runs",
        pitfall="P20",
        broken="as above, seen from outside",
        level="end-to-end",
        audit=whole_runs(Independent(), crowd(), 100),
        apply=scaled(lambda sigma: sigma / 2),
        slow=True,
    ),
    Mutant(
        name="seeded noise",
        pitfall="P22",
        broken="a default seed drives the noise",
        level="sampler",
        audit=sampler(),
        apply=seeded,
    ),
    Mutant(
        name="seeded noise, whole runs",
        pitfall="P22",
        broken="as above, seen from outside",
        level="end-to-end",
        audit=whole_runs(Independent(), alone(), 10),
        apply=seeded,
    ),
    Mutant(
        name="noise copied by fork",
        pitfall="P23",
        broken="the stream of the parent goes on in its children",
        level="sampler",
        audit=sampler(draws=500),
        apply=copied_by_fork,
    ),
    Mutant(
        name="noise on observed cells only",
        pitfall="P05",
        broken="cells without rows stay at zero",
        level="sampler",
        audit=sampler(),
        apply=observed_cells_only,
    ),
    Mutant(
        name="noise on observed cells only, whole runs",
        pitfall="P05",
        broken="as above, seen from outside",
        level="end-to-end",
        audit=whole_runs(Independent(), alone(), 80),
        apply=observed_cells_only,
        slow=True,
    ),
    Mutant(
        name="noise over n",
        pitfall="P13",
        broken="the scale is divided by the number of rows, although the query is a count",
        level="sampler",
        audit=sampler(),
        apply=over_rows,
    ),
    Mutant(
        name="opposite noise in neighbouring cells",
        pitfall="correlation",
        broken="each second cell has the noise of the one before with the other sign",
        level="sampler",
        audit=sampler(),
        apply=opposite_neighbours,
    ),
    Mutant(
        name="one number for all cells",
        pitfall="correlation",
        broken="one draw is added to all cells of a table",
        level="sampler",
        audit=sampler(),
        apply=one_number_for_all,
    ),
    Mutant(
        name="sigma rounded down",
        pitfall="P42",
        broken="sigma is made a whole number after the sensitivity argument",
        level="sampler",
        audit=sampler(epsilon=3.0),
        apply=scaled(math.floor),
    ),
    Mutant(
        name="exponential mechanism priced as monotone",
        pitfall="P40",
        broken="the factor 2 of scores that move both ways is left out",
        level="sampler",
        audit=sampler(MST(), draws=1500),
        apply=monotone_price,
    ),
    Mutant(
        name="exponential mechanism priced as monotone, whole runs",
        pitfall="P40",
        broken="as above, in a method that spends most on choices",
        level="end-to-end",
        audit=whole_runs(MST(one_way_share=0.15, select_share=0.8), balanced(), 3000),
        apply=monotone_price,
        slow=True,
    ),
    Mutant(
        name="replacing priced as adding",
        pitfall="P14",
        broken="under replace_one counts get the sensitivity of add_remove",
        level="end-to-end",
        audit=whole_runs(Independent(), alone(REPLACED), 1000),
        apply=wrong_relation,
        slow=True,
    ),
    Mutant(
        name="a step without noise",
        pitfall="P12",
        broken="the pairs of MST are counted exactly",
        level="end-to-end",
        audit=whole_runs(MST(one_way_share=0.1), crowd(), 40),
        apply=no_noise_on_pairs,
        slow=True,
    ),
    Mutant(
        name="training without noise",
        pitfall="P28",
        broken="sums of gradients go out as they are",
        level="end-to-end",
        audit=canaries(),
        apply=training_without_noise,
    ),
    Mutant(
        name="no clipping",
        pitfall="P30",
        broken="gradients are as long as they are",
        level="end-to-end",
        audit=canaries(),
        apply=no_clipping,
    ),
)
