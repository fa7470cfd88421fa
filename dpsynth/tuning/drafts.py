"""A fitted point of a sweep, kept in a file so that a process that goes on need not fit it again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dpsynth._archive import read_archive, write_archive
from dpsynth.errors import StorageError
from dpsynth.generators.registry import model_class
from dpsynth.tuning.degraded import Fidelity

if TYPE_CHECKING:
    from dpsynth.generators.base import Model
    from dpsynth.schema.schema import Schema
    from dpsynth.tuning.charged import Cells, Counts

__all__ = ["Draft", "kept"]

_KIND = "dpsynth-sweep-point/1"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Draft:
    """A model, and what it is scored by.

    Attributes:
        model: Holds no data.
        seconds: Of the fit.
        fidelity: How near its answers are to those of a fresh run.
        counts: Of a table drawn from it, in the cells that scores look at.
    """

    model: Model
    seconds: float
    fidelity: Fidelity
    counts: Counts = ()

    def counted(self, cells: Cells, rows: int, rng: np.random.Generator) -> Draft:
        """With the counts of so many drawn rows."""
        return replace(self, counts=cells.counts(self.model.sample_codes(rows, rng)))


def kept(path: Path | None, schema: Schema, make: Callable[[], Draft]) -> Draft:
    """What the file holds; what `make` gives, durably there, if there is none.

    Raises:
        StorageError: The file is damaged.
    """
    if path is not None and path.exists():
        return _read(path, schema)
    draft = make()
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, draft)
    return draft


def _write(path: Path, draft: Draft) -> None:
    header, arrays = draft.model.state()
    written = {f"model.{name}": array for name, array in arrays.items()}
    written["counts"] = np.concatenate([np.zeros(0, np.int64), *draft.counts])  # one file is read at once
    words = {
        "model": draft.model.name,
        "header": header,
        "seconds": draft.seconds,
        "ends": np.cumsum([len(counts) for counts in draft.counts]).tolist(),
    }
    write_archive(path, kind=_KIND, header={**words, "fidelity": asdict(draft.fidelity)}, arrays=written)


def _read(path: Path, schema: Schema) -> Draft:
    header, arrays = read_archive(path, kind=_KIND)
    try:
        state = {
            name.removeprefix("model."): one for name, one in arrays.items() if name.startswith("model.")
        }
        return Draft(
            model=model_class(header["model"]).from_state(schema, header["header"], state),
            seconds=float(header["seconds"]),
            fidelity=Fidelity(**header["fidelity"]),
            counts=tuple(np.split(arrays["counts"], header["ends"][:-1])) if header["ends"] else (),
        )
    except (KeyError, TypeError) as error:
        raise StorageError(
            "A fitted point in the folder is damaged. Remove it, and it is made again."
        ) from error
