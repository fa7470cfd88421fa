"""A fitted model in a file: a zip of one JSON manifest and plain arrays, with the guarantee inside."""

from __future__ import annotations

from pathlib import Path

from dpsynth._archive import read_archive, write_archive
from dpsynth.errors import DpsynthError, StorageError
from dpsynth.generators.base import Model
from dpsynth.generators.registry import model_class
from dpsynth.schema.schema import Schema
from dpsynth.session.guarantee import Guarantee

__all__ = ["load_model", "save_model"]

_KIND = "dpsynth-model/1"


def save_model(path: str | Path, model: Model, guarantee: Guarantee) -> None:
    """Write `model` and `guarantee` to `path`: whole, or not at all.

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
    write_archive(path, kind=_KIND, header=header, arrays=arrays)


def load_model(path: str | Path) -> tuple[Model, Guarantee]:
    """Read what `save_model` wrote.

    Raises:
        StorageError: The file is no model of a known kind and version, or it is damaged.
    """
    header, arrays = read_archive(path, kind=_KIND)
    try:
        kind = model_class(header["model"])
        schema = Schema.from_json(header["schema"])
        guarantee = Guarantee.from_json(header["guarantee"])
        model = kind.from_state(schema, header["state"], arrays)
    except StorageError:
        raise
    except DpsynthError as error:
        raise StorageError(f"This model cannot be read here: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise StorageError("The model file lacks a field that this version needs.") from error
    return model, guarantee
