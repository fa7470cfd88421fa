"""A fitted model in a file: a zip of one JSON manifest and plain arrays, with the guarantee inside.

The transcript goes in as two arrays, so that it is compressed and needs no room in the manifest: its
words as bytes of JSON, and all noisy counts one after the other. Of private training it holds the words
alone: the state of a network after each round would be many times the model. `Transcript.save` keeps all.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from dpsynth._archive import read_archive, write_archive
from dpsynth._tensors import SUFFIX, read_tensors, write_tensors
from dpsynth.errors import DpsynthError, StorageError
from dpsynth.generators.base import Model
from dpsynth.generators.measured import measured_tables
from dpsynth.generators.registry import model_class
from dpsynth.mechanisms import Measurement
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.composition import compose
from dpsynth.privacy.events import ComposedEvent, Event, RepeatSelectEvent, ZCDPEvent, event_from_json
from dpsynth.schema.schema import Schema
from dpsynth.session.guarantee import Guarantee
from dpsynth.session.transcript import Transcript

__all__ = ["load_model", "save_model"]

_KIND = "dpsynth-model/2"
_WORDS, _COUNTS = "transcript.words", "transcript.counts"

_Arrays = Mapping[str, np.ndarray[Any, Any]]


def save_model(path: str | Path, model: Model, guarantee: Guarantee, transcript: Transcript | None) -> None:
    """Write a model, its guarantee and the transcript of its run to `path`: whole, or not at all.

    A name that ends in `.safetensors` gives that format (extra `deep`), any other a zip of plain arrays.

    Raises:
        StorageError: The file cannot be written.
    """
    state, arrays = model.state()
    header = {
        "model": model.name,
        "schema": model.schema.to_json(),
        "guarantee": guarantee.to_json(),
        "state": state,
    }
    kept = {} if transcript is None else _transcript_arrays(transcript)
    write = write_tensors if _is_tensors(path) else write_archive
    write(path, kind=_KIND, header=header, arrays={**arrays, **kept})


def load_model(path: str | Path) -> tuple[Model, Guarantee, Transcript | None]:
    """Read what `save_model` wrote.

    Raises:
        StorageError: The file is no model of a known kind and version, or it is damaged.
    """
    read = read_tensors if _is_tensors(path) else read_archive
    header, arrays = read(path, kind=_KIND)
    try:
        kind = model_class(header["model"])
        schema = Schema.from_json(header["schema"])
        guarantee = Guarantee.from_json(header["guarantee"])
        own = {name: array for name, array in arrays.items() if name not in (_WORDS, _COUNTS)}
        model = kind.from_state(schema, header["state"], own)
        transcript = _transcript(schema, arrays, guarantee) if _WORDS in arrays else None
    except StorageError:
        raise
    except DpsynthError as error:
        raise StorageError(f"This model cannot be read here: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise StorageError("The model file lacks a field that this version needs.") from error
    return model, guarantee, transcript


def _is_tensors(path: str | Path) -> bool:
    return Path(path).suffix == SUFFIX


def _transcript_arrays(transcript: Transcript) -> dict[str, np.ndarray[Any, Any]]:
    """The schema is left out: it is that of the model. So are the numbers of private training."""
    measurements = [_counted(measurement) for measurement in transcript.measurements]
    words = {
        "budget": asdict(transcript.budget),
        "tainted": transcript.tainted,
        "measurements": [
            {
                "mechanism": measurement.mechanism,
                "event": measurement.event.to_json(),
                "sigmas": measurement.sigmas,
                "sizes": [value.size for value in measurement.values],
            }
            for measurement in measurements
        ],
    }
    values = [value for measurement in measurements for value in measurement.values]
    counts = np.concatenate([np.zeros(0, np.int64), *values])
    if counts.dtype.kind != "i":
        raise StorageError("A transcript that holds other answers than whole numbers stays out of a model.")
    largest = int(np.abs(counts).max(initial=0))
    kind = next(kind for kind in (np.int16, np.int32, np.int64) if largest <= np.iinfo(kind).max)
    text = json.dumps(words, sort_keys=True).encode()
    return {_WORDS: np.frombuffer(text, np.uint8), _COUNTS: counts.astype(kind)}


def _counted(measurement: Measurement) -> Measurement:
    """The measurement; without its values if they are those of training, which have no noise of their own."""
    trained = not any(measurement.sigmas) and any(value.dtype.kind == "f" for value in measurement.values)
    return replace(measurement, values=(), sigmas=()) if trained else measurement


def _transcript(schema: Schema, arrays: _Arrays, guarantee: Guarantee) -> Transcript:
    """Read the transcript, and check that its tables fit the schema and its events the guarantee."""
    try:
        words = json.loads(arrays[_WORDS].tobytes())
        counts = arrays[_COUNTS].astype(np.int64, casting="safe")
        counts.setflags(write=False)
        sizes = [size for item in words["measurements"] for size in item["sizes"]]
        ends = itertools.accumulate(sizes, initial=0)
        pieces = iter([counts[start:end] for start, end in itertools.pairwise(ends)])
        measurements = tuple(
            Measurement(
                mechanism=item["mechanism"],
                event=event_from_json(item["event"]),
                values=tuple(itertools.islice(pieces, len(item["sizes"]))),
                sigmas=tuple(float(sigma) for sigma in item["sigmas"]),
            )
            for item in words["measurements"]
        )
        budget, tainted = Budget(**words["budget"]), bool(words["tainted"])
    except (DpsynthError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise StorageError("The transcript in the model file cannot be read.") from error
    transcript = Transcript(schema=schema, budget=budget, measurements=measurements, tainted=tainted)
    events = [measurement.event for measurement in measurements]
    if sum(sizes) != len(counts) or not _paid(events, guarantee):
        raise StorageError("The transcript in the model file is not the one of its guarantee.")
    measured_tables(transcript)
    return transcript


def _paid(events: list[Event], guarantee: Guarantee) -> bool:
    """Whether these are the last events of the run, or those of one run among which the best was selected."""
    if list(guarantee.events[len(guarantee.events) - len(events) :]) == events:
        return True
    selections = [one for one in guarantee.events if isinstance(one, RepeatSelectEvent)]
    return any(_within(events, run) for one in selections for run in one.events)


def _within(events: list[Event], run: Event) -> bool:
    if isinstance(run, ZCDPEvent):
        rho = compose(events).rho
        return rho is not None and rho <= Fraction(run.rho)
    return isinstance(run, ComposedEvent) and list(run.events[: len(events)]) == events
