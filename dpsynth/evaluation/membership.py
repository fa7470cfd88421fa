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
from dpsynth.evaluation.nearest import levels
from dpsynth.evaluation.neighbours import QUICK_ROWS, Nearness
from dpsynth.evaluation.results import Result
from dpsynth.evaluation.samples import NO_HOLDOUT, Trial, drawn
from dpsynth.evaluation.tables import Tables, generator

__all__ = ["density_attack", "distance_attack", "membership", "undefined"]

_TREES, _QUICK_TREES = 30, 20


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
        quick: Fewer synthetic rows and fewer trees.
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
    is judged, nor from members. Trees with random cuts learn the odds (Geurts et al., 2006); leaves of two
    rows see single copies and still average. One thread grows them: several wait for each other where cores
    are shared.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    trial = Trial.of(tables)
    if trial is None:
        return None
    synthetic = drawn(tables.synthetic, QUICK_ROWS if quick else None, generator(tables, "density synthetic"))
    rows = (synthetic, trial.reference, trial.members, trial.outsiders)
    # Ranks among what the attacker holds; cuts drawn between values would miss nearly all of a long tail.
    inputs = [one.T for one in levels(tables, rows, ranked=rows[:2])]
    model = require("sklearn.ensemble", extra="eval").ExtraTreesClassifier(
        n_estimators=_QUICK_TREES if quick else _TREES,
        min_samples_leaf=2,
        class_weight="balanced",
        random_state=tables.seed,
    )
    labels = np.repeat([1, 0], [len(synthetic), len(trial.reference)])
    model.fit(np.concatenate(inputs[:2]), labels)
    members, others = (model.predict_proba(one)[:, 1] for one in inputs[2:])
    return Attack(members=members, others=others)


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
