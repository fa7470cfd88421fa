"""Every method by name, in a size that a test can afford."""

from __future__ import annotations

from typing import Any

from dpsynth.generators.base import Generator
from dpsynth.generators.deep import Schedule
from dpsynth.generators.pretraining import Pretraining
from dpsynth.generators.registry import get

__all__ = ["brief"]

_SCHEDULE = Schedule(rounds=2, steps=3, sampling_rate=0.2, thorough=False)
_MIXTURE = {"hidden": (16,), "latent": 3, "points": 256, "pretraining": Pretraining(rows=2_000, epochs=3)}
_OPTIONS: dict[str, dict[str, Any]] = {
    "dpgan": {**_MIXTURE, "critic_hidden": (16,), "generator_steps": 3, "schedule": _SCHEDULE},
    "dpvae": {**_MIXTURE, "schedule": _SCHEDULE},
    "hybrid": {"hidden": (16,), "public_rows": 500, "schedule": _SCHEDULE},
}


def brief(method: str) -> Generator:
    """The method `method`; if it trains, little."""
    return get(method, **_OPTIONS.get(method, {}))
