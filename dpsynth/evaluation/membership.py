"""Membership inference: can somebody who holds a row tell whether it was in the training table?

Members are training rows, outsiders are rows of a real holdout, equally many. Two attacks that know nothing
of the generator: one looks how close the closest synthetic row is, the other learns where there are more
synthetic rows than there would be by the population (van Breugel et al., DOMIAS, 2023). The one that knows
what was measured is in `clique_membership`; against our methods it is the strongest.
"""

from __future__ import annotations

import math

import numpy as np

from dpsynth._lazy import require
from dpsynth.evaluation.attack import Attack
from dpsynth.evaluation.ceilings import Limits
from dpsynth.evaluation.neighbours import QUICK_ROWS, Nearness
from dpsynth.evaluation.results import Result
from dpsynth.evaluation.samples import NO_HOLDOUT, Samples, Trial
from dpsynth.evaluation.tables import Rows, Tables, generator

__all__ = ["density_attack", "distance_attack", "membership", "undefined"]

_ROUNDS, _QUICK_ROUNDS = 60, 30


def membership(
    tables: Tables,
    *,
    limits: Limits | None = None,
    quick: bool = False,
    nearness: Nearness | None = None,
) -> tuple[Result, ...]:
    """Both attacks: area under the curve, advantage and members found at 1 % false alarms, with intervals.

    How to read: 0.5, 0 and 0.01 is guessing. The part "certified limit" is what no attack exceeds.

    Args:
        tables: Real and synthetic rows.
        limits: What the guarantee certifies.
        quick: Fewer synthetic rows and fewer rounds of learning.
        nearness: Distances that were measured before.
    """
    known = limits or Limits()
    names = ("membership_distance", "Attack by distance"), ("membership_density", "Attack by density")
    if tables.holdout is None:
        return tuple(one for name in names for one in undefined(*name, note=NO_HOLDOUT))
    near = nearness or Nearness.of(tables, quick=quick)
    attacks = (distance_attack(tables, nearness=near), density_attack(tables, quick=quick))
    notes = (
        "Scores a row by its distance to the closest synthetic row.",
        "Scores a row by learned odds that it is synthetic rather than of a second real sample.",
    )
    found: list[Result] = []
    for (name, title), attack, note in zip(names, attacks, notes, strict=True):
        if attack is None:
            found += undefined(name, title, note="The holdout has too few rows.")
            continue
        rng = generator(tables, name)
        found += attack.results(name, title, limits=known, rng=rng, note=note, seed=tables.seed)
    return tuple(found)


def distance_attack(
    tables: Tables, *, quick: bool = False, nearness: Nearness | None = None
) -> Attack | None:
    """Members are closer to synthetic rows. None without a holdout."""
    found = nearness or Nearness.of(tables, quick=quick)
    return None if found is None else Attack(members=-found.of_members, others=-found.of_others)


def density_attack(tables: Tables, *, quick: bool = False) -> Attack | None:
    """Where synthetic rows are denser than a second real sample, there were members.

    At least half of the holdout is the attacker's second sample; he never learns from the rest, on which he
    is judged, nor from members. Trees grown on the errors of those before learn the odds (gradient boosting).

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    samples = Samples.of(tables, most_synthetic=QUICK_ROWS if quick else None)
    trial = Trial.of(tables)
    if samples is None or trial is None:
        return None
    ensemble = require("sklearn.ensemble", extra="eval")
    rounds = _QUICK_ROUNDS if quick else _ROUNDS
    model = ensemble.HistGradientBoostingClassifier(
        max_iter=rounds, early_stopping=False, class_weight="balanced", random_state=tables.seed
    )
    labels = np.repeat([1, 0], [len(samples.synthetic), len(trial.reference)])
    model.fit(np.concatenate([_inputs(samples.synthetic), _inputs(trial.reference)]), labels)
    scores = [model.decision_function(_inputs(rows)) for rows in (trial.members, trial.outsiders)]
    return Attack(members=scores[0], others=scores[1])


def undefined(name: str, title: str, *, note: str) -> tuple[Result, ...]:
    """The three numbers of an attack that could not be run."""
    kinds = (
        ("auc", "area under the curve"),
        ("advantage", "advantage"),
        ("tpr_1", "found at 1 % false alarms"),
    )
    return tuple(
        Result(name=f"{name}_{kind}", family="privacy", title=f"{title}: {words}", value=math.nan, note=note)
        for kind, words in kinds
    )


def _inputs(rows: Rows) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Numbers as they are, categories by their codes; what cannot be read is missing."""
    values = np.stack(list(rows.readings.values()), axis=1)
    return np.where(np.isfinite(values), values, np.nan)
