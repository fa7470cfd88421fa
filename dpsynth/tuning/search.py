"""The order in which a search tries settings on rows that are free to look at."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from dpsynth._lazy import require
from dpsynth.errors import MissingExtraError
from dpsynth.tuning.spaces import LogRange, OneOf, Parameter, Space

__all__ = ["Drawn", "Trial", "searched"]

Drawn: TypeAlias = "tuple[int, dict[str, Any]]"
"""The place of a space, and values of its settings."""

_NO_OPTUNA = (
    "The package optuna is not installed, so settings were drawn at random. It searches by what it found: "
    "pip install 'dpsynth[tune]'"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One configuration that was tried on rows that are free to look at.

    Attributes:
        space: The place of its space among those that are searched.
        method: Its method.
        values: Its settings.
        score: The mean of its replicates; NaN if it could not run.
        note: Why it could not.
    """

    space: int
    method: str
    values: Mapping[str, Any]
    score: float
    note: str = ""


def searched(
    spaces: Sequence[Space],
    tried: Callable[[int, int, Drawn], Trial],
    *,
    trials: int,
    sampler: Any,
    storage: Any,
    seed: int,
) -> tuple[tuple[Trial, ...], tuple[str, ...]]:
    """All trials: by optuna if it is installed, else at random."""
    try:
        optuna = require("optuna", extra="tune")
    except MissingExtraError:
        if sampler is not None or storage is not None:
            raise
        rng = np.random.default_rng(seed)
        places = [int(rng.integers(len(spaces))) for _ in range(trials)]
        drawn = [(place, spaces[place].draw(rng)) for place in places]
        return tuple(tried(number, trials, one) for number, one in enumerate(drawn)), (_NO_OPTUNA,)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name="dpsynth",
        direction="maximize",
        sampler=sampler or optuna.samplers.TPESampler(seed=seed),
        storage=storage,
        load_if_exists=True,
    )
    failed = optuna.trial.TrialState.FAIL
    history = [_known(one) for one in study.trials if one.state.is_finished()]
    for number in range(len(history), trials):
        asked = study.ask()
        trial = tried(number, trials, _suggested(asked, spaces))
        told = {
            "space": trial.space,
            "method": trial.method,
            "values": dict(trial.values),
            "note": trial.note,
        }
        asked.set_user_attr("dpsynth", told)
        if math.isfinite(trial.score):
            study.tell(asked, trial.score)
        else:
            study.tell(asked, state=failed)
        history.append(trial)
    return tuple(history), ()


def _suggested(asked: Any, spaces: Sequence[Space]) -> Drawn:
    """A space and values of its settings, as a sampler of optuna would have them."""
    place = asked.suggest_categorical("method", list(range(len(spaces)))) if len(spaces) > 1 else 0
    chosen = spaces[place]
    return place, {
        name: _value(asked, f"{place} {chosen.method} {name}", law) for name, law in chosen.parameters.items()
    }


def _value(asked: Any, name: str, law: Parameter) -> Any:
    if isinstance(law, OneOf):
        return asked.suggest_categorical(name, list(law.values))
    if isinstance(law, LogRange):
        return asked.suggest_float(name, law.low, law.high, log=True)
    if law.whole:
        return asked.suggest_int(name, math.ceil(law.low), math.floor(law.high))
    return asked.suggest_float(name, law.low, law.high)


def _known(trial: Any) -> Trial:
    """A trial of an earlier process."""
    told = trial.user_attrs["dpsynth"]
    score = math.nan if trial.value is None else float(trial.value)
    return Trial(score=score, **told)
