"""Shares as they should be: post-processing of synthetic rows, which costs no privacy.

Targets are public facts or wishes (a census table, equal shares). A target that was counted in the private
rows would leak them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dpsynth import _validate
from dpsynth.errors import ConfigurationError, DataError
from dpsynth.generators.base import Rng, random_generator
from dpsynth.generators.fitted import FittedModel
from dpsynth.generators.table import SyntheticTable
from dpsynth.schema.columns import Boolean, Categorical

__all__ = ["Targets", "balanced", "raked", "reweighted"]

Targets = Mapping[str, Mapping[Any, float]]
Floats = np.ndarray[Any, np.dtype[np.float64]]

_ROUNDS = 2_000
_CLOSE = 1e-7


def reweighted(synthetic: pd.DataFrame, targets: Targets, rng: Rng = None) -> pd.DataFrame:
    """Resample synthetic rows so that columns have the target shares.

    Weights come from iterative proportional fitting (raking, Deming and Stephan 1940): of all weights with
    the target shares they are nearest to equal ones. Then rows are drawn by systematic resampling, which
    repeats a row of weight w either floor(w) or ceil(w) times. Few rows with large weights are copied often:
    see how many distinct rows are left. Where a fitted model is at hand, `balanced` draws new rows instead.

    Args:
        synthetic: Synthetic rows; the frame is left as it is.
        targets: By column, by value the share. Values that are not listed share what is left, in their own
            proportions; a share of 0 removes a value.
        rng: Seed or generator.

    Returns:
        As many rows as there were, in random order, under a new index.

    Raises:
        ConfigurationError: Shares below 0 or above 1 together, a value that no row has, or targets that no
            weights reach together.
        DataError: The table has no rows or no such column.
    """
    if not len(synthetic):
        raise DataError("The synthetic table has no rows, so there is nothing to resample.")
    members, wanted = [], []
    for column, shares in _checked(targets).items():
        if column not in synthetic:
            raise DataError(f"The synthetic table has no column {column!r}. Take it out of the targets.")
        codes, values = pd.factorize(synthetic[column], sort=False, use_na_sentinel=True)
        # Missing values are one more value that is not listed.
        codes = np.where(codes < 0, len(values), codes)
        members.append(codes)
        wanted.append(
            _wanted(column, list(values), shares, np.bincount(codes, minlength=len(values) + 1).astype(float))
        )
    weights = raked(np.full(len(synthetic), 1 / len(synthetic)), members, wanted, list(targets))
    drawn = _systematic(weights, len(synthetic), random_generator(rng))
    return synthetic.iloc[drawn].reset_index(drop=True)


def balanced(model: FittedModel, rows: int, targets: Targets, rng: Rng = None) -> SyntheticTable:
    """Draw rows from a fitted model so that columns have the target shares.

    All other columns follow the model, given these: nothing is copied. The joint shares of several columns
    are those of the model, raked to the targets.

    Args:
        model: A fitted model.
        rows: How many rows.
        targets: By column of categories or truth values, by value the share; see `reweighted`.
        rng: Seed or generator.

    Raises:
        ConfigurationError: Targets as in `reweighted`, or for columns that are no categories or truth values.
    """
    _validate.count("rows", rows)
    checked, generator = _checked(targets), random_generator(rng)
    names = tuple(checked)
    for name in names:
        columns = {column.name: column for column in model.schema.modelled}
        if not isinstance(columns.get(name), (Categorical, Boolean)):
            raise ConfigurationError(f"Expected targets for modelled columns of categories, got {name!r}.")
    frame = model.marginal(names)
    # A missing value cannot be asked for by name, so it stays out and its share goes to the others.
    frame = frame[frame[list(names)].notna().all(axis=1)].reset_index(drop=True)
    shares = frame["probability"].to_numpy(np.float64)
    members, wanted = [], []
    for name in names:
        codes, values = pd.factorize(frame[name])
        members.append(codes)
        own = np.bincount(codes, weights=shares, minlength=len(values) + 1)
        wanted.append(_wanted(name, list(values), checked[name], own))
    joint = raked(shares / shares.sum(), members, wanted, list(names))
    counts = np.bincount(_systematic(joint, rows, generator), minlength=len(joint))
    drawn = [
        model.sample(int(count), given=dict(zip(names, cell, strict=True)), rng=generator)
        for cell, count in zip(frame[list(names)].itertuples(index=False, name=None), counts, strict=True)
        if count
    ]
    whole = pd.concat([one.frame for one in drawn], ignore_index=True)
    order = generator.permutation(len(whole))
    return drawn[0].replace_frame(whole.iloc[order].reset_index(drop=True))


def raked(
    weights: Floats,
    members: Sequence[np.ndarray[Any, Any]],
    wanted: Sequence[Floats],
    names: Sequence[str],
) -> Floats:
    """Weights with the wanted shares of all columns, by iterative proportional fitting.

    Args:
        weights: To start from; they sum to 1.
        members: By column the group of each weight.
        wanted: By column the share of each group.
        names: Of the columns, for the error.

    Raises:
        ConfigurationError: No weights have all shares: some combination that they need has no rows.
    """
    weights = np.array(weights, np.float64)
    for _ in range(_ROUNDS):
        worst = 0.0
        for codes, shares in zip(members, wanted, strict=True):
            now = np.bincount(codes, weights=weights, minlength=len(shares))
            worst = max(worst, float(np.abs(now - shares).max()))
            weights = weights * np.divide(shares, now, out=np.zeros_like(shares), where=now > 0)[codes]
        if worst < _CLOSE:
            return np.asarray(weights / weights.sum(), np.float64)
    raise ConfigurationError(
        f"No weights give all target shares of {list(names)} together: rows that they need are not there. "
        "Give targets for fewer columns, or shares that are closer to those of the table."
    )


def _checked(targets: Targets) -> dict[str, dict[Any, float]]:
    if not targets or not all(targets.values()):
        raise ConfigurationError(
            "Expected target shares for at least one column, and for some of its values."
        )
    for column, shares in targets.items():
        for share in shares.values():
            _validate.non_negative(f"every share of {column!r}", share)
        if sum(shares.values()) > 1 + 1e-9:
            raise ConfigurationError(
                f"Column {column!r}: expected shares that sum to 1 at most, got {sum(shares.values()):g}."
            )
    return {column: dict(shares) for column, shares in targets.items()}


def _wanted(column: str, values: list[Any], shares: dict[Any, float], own: np.ndarray[Any, Any]) -> Floats:
    """The wanted share of each value, and at the end that of missing values."""
    wanted = np.full(len(own), np.nan)
    for value, share in shares.items():
        if value not in values or own[values.index(value)] <= 0:
            if share > 0:
                raise ConfigurationError(f"Column {column!r}: no row has the value {value!r} of the targets.")
            continue
        wanted[values.index(value)] = share
    free = np.isnan(wanted)
    left, mass = 1 - float(np.nansum(wanted)), float(own[free].sum())
    if mass <= 0 and not math.isclose(left, 0, abs_tol=1e-9):
        raise ConfigurationError(
            f"Column {column!r}: the shares sum to {1 - left:g}, and there are no other values for the rest."
        )
    wanted[free] = own[free] / mass * max(left, 0.0) if mass > 0 else 0.0
    found: Floats = wanted / wanted.sum()
    return found


def _systematic(weights: Floats, rows: int, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Places drawn at even distances along the cumulated weights, in random order."""
    order = rng.permutation(len(weights))
    ends = np.cumsum(weights[order])
    ends /= ends[-1]
    points = (np.arange(rows) + rng.random()) / rows
    found: np.ndarray[Any, np.dtype[np.int64]] = order[np.searchsorted(ends, points, side="right")]
    return rng.permutation(found)
