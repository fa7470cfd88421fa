"""The public record of a run, and `Replay`: a measurer that holds no data.

`fit(Replay(transcript))` must give the identical model. Replay cannot leak what it does not hold, so
equality proves that every dependence of the model on the data passed through a paid measurement.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dpsynth._archive import read_archive, write_archive
from dpsynth.errors import ReplayError, StorageError
from dpsynth.mechanisms.base import Measurement, Mechanism
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.events import event_from_json
from dpsynth.schema.schema import Schema

__all__ = ["Replay", "Transcript"]

_KIND = "dpsynth-transcript/1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Transcript:
    """Everything that a run released, in order. Publishable: it holds noisy answers only.

    Attributes:
        schema: The complete public schema of the run.
        budget: What the run could spend.
        measurements: What it measured.
        tainted: True if any noise came from a test source; such a run can never be certified.
    """

    schema: Schema
    budget: Budget
    measurements: tuple[Measurement, ...]
    tainted: bool

    def answer(self, position: int, mechanism: Mechanism) -> Measurement:
        """The recorded answer number `position`, counted from 0, to `mechanism`.

        Raises:
            ReplayError: The recorded run asked something else here, or nothing.
        """
        if position >= len(self.measurements):
            raise ReplayError("The recorded run measured nothing more. Was another configuration fitted?")
        recorded = self.measurements[position]
        if not same_mechanism(recorded.mechanism, mechanism.describe()):
            raise ReplayError(
                f"Measurement {position + 1} of the recorded run asked something else. It needs the same "
                "generator, configuration and seed, and where something is trained the same machine."
            )
        return recorded

    def to_archive(self) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
        """JSON values and arrays: everything that `from_archive` needs."""
        header = {
            "schema": self.schema.to_json(),
            "budget": {"epsilon": self.budget.epsilon, "delta": self.budget.delta, "rho": self.budget.rho},
            "tainted": self.tainted,
            "measurements": [
                {
                    "mechanism": m.mechanism,
                    "event": m.event.to_json(),
                    "sigmas": m.sigmas,
                    "values": len(m.values),
                }
                for m in self.measurements
            ],
        }
        arrays = {
            f"{i}.{j}": value for i, m in enumerate(self.measurements) for j, value in enumerate(m.values)
        }
        return header, arrays

    @classmethod
    def from_archive(
        cls, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]]
    ) -> Transcript:
        """What `to_archive` gave.

        Raises:
            StorageError: A field is missing.
        """
        try:
            measurements = tuple(
                Measurement(
                    mechanism=item["mechanism"],
                    event=event_from_json(item["event"]),
                    values=tuple(arrays[f"{i}.{j}"] for j in range(item["values"])),
                    sigmas=tuple(item["sigmas"]),
                )
                for i, item in enumerate(header["measurements"])
            )
            return cls(
                schema=Schema.from_json(header["schema"]),
                budget=Budget(**header["budget"]),
                measurements=measurements,
                tainted=bool(header["tainted"]),
            )
        except (KeyError, TypeError) as error:
            raise StorageError("The transcript lacks a field that this version needs.") from error

    def save(self, path: str | Path) -> None:
        """Write the transcript as a zip of JSON and arrays (no pickle)."""
        header, arrays = self.to_archive()
        write_archive(path, kind=_KIND, header=header, arrays=arrays)

    @classmethod
    def load(cls, path: str | Path) -> Transcript:
        """Read a transcript back.

        Raises:
            StorageError: The file is no transcript of a known version, or it is damaged.
        """
        return cls.from_archive(*read_archive(path, kind=_KIND))


def same_mechanism(left: Any, right: Any) -> bool:
    """Whether two mechanism descriptions are equal as JSON."""
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


class Replay:
    """A measurer that answers from a transcript and holds no data.

    Args:
        transcript: The record of an earlier run.
    """

    def __init__(self, transcript: Transcript) -> None:
        self._transcript = transcript
        self._next = 0

    @property
    def schema(self) -> Schema:
        """The schema of the recorded run."""
        return self._transcript.schema

    @property
    def budget(self) -> Budget:
        """The budget of the recorded run."""
        return self._transcript.budget

    def measure(self, mechanism: Mechanism) -> Measurement:
        """Return the recorded answer to `mechanism`.

        Raises:
            ReplayError: The recorded run asked something else here, or nothing.
        """
        recorded = self._transcript.answer(self._next, mechanism)
        self._next += 1
        return recorded

    def select(self, mechanism: Mechanism) -> int:
        """Return the recorded choice."""
        return int(self.measure(mechanism).values[0][0])
