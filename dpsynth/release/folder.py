"""The folder that a run writes, and the page that explains it to whoever opens it."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from dpsynth.errors import StorageError

if TYPE_CHECKING:
    from dpsynth.generators.table import SyntheticTable

__all__ = ["ReleaseFolder"]

_ROOM = 256 * 2**20

_PAGE = """\
# {title}: a synthetic table with its guarantee

{words}

| file | what it is |
|---|---|
| `synthetic.parquet` | the synthetic rows, with types; the guarantee is in the file's metadata |
| `synthetic.csv` | the same rows as text |
| `guarantee.json` | the promise: epsilon, delta, unit of privacy, and everything that spent it |
| `schema.json` | what each column may hold, and where its bounds come from |
| `model.dps` | the fitted model: draw more rows with `dpsynth sample model.dps --rows 1000 --out more.csv` |

No row was copied from a person's record: the model was fitted on noisy counts only, and drawing more
rows from it costs nothing. Another run on the same people does cost: keep the ledger, and keep it private
to those who may run.

## What was spent on what

| step | times | privacy event |
|---|---|---|
{events}

Method `{method}`, accountant `{engine}`, unit of privacy: {unit}. Written by dpsynth {version}.
"""


def _page(table: SyntheticTable, title: str) -> str:
    guarantee = table.guarantee
    events = "\n".join(f"| {label} | {times} | `{event}` |" for label, times, event in guarantee.spending())
    return _PAGE.format(
        title=title,
        words=guarantee.in_words(),
        events=events,
        method=guarantee.method,
        engine=guarantee.engine,
        unit=guarantee.unit,
        version=guarantee.version,
    )


class ReleaseFolder:
    """A folder that appears whole or not at all.

    Args:
        path: The folder to write. It must not exist, or be empty.

    Raises:
        StorageError: The folder holds something, cannot be created, or the disk has no room. Made
            before anything is spent, so that a full disk costs no budget.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise StorageError(
                f"{str(path)!r} exists and is not an empty folder. Choose another one with --out."
            )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.path.parent).free
            self._work = Path(tempfile.mkdtemp(dir=self.path.parent, prefix=f".{self.path.name}."))
        except OSError as error:
            raise StorageError(
                f"Cannot write to {str(path)!r}: {error.strerror}. Choose another folder."
            ) from error
        if free < _ROOM:
            self.discard()
            raise StorageError(
                f"The disk of {str(path)!r} has less than {_ROOM // 2**20} MB free. Make room first; "
                "nothing was spent."
            )

    def discard(self) -> None:
        """Remove what was written so far."""
        shutil.rmtree(self._work, ignore_errors=True)

    def write(self, table: SyntheticTable, *, title: str) -> Path:
        """Write all files, then let the folder appear under its name.

        Raises:
            StorageError: The disk is full or went away.
        """
        try:
            table.to_parquet(self._work / "synthetic.parquet")
            table.to_csv(self._work / "synthetic.csv")
            table.model.save(self._work / "model.dps")
            table.model.schema.save(self._work / "schema.json")
            guarantee = json.dumps(table.guarantee.to_json(), indent=2)
            (self._work / "guarantee.json").write_text(guarantee + "\n", encoding="utf-8")
            (self._work / "README.md").write_text(_page(table, title), encoding="utf-8")
            self._work.chmod(0o755)
            if self.path.exists():
                self.path.rmdir()
            self._work.rename(self.path)
        except OSError as error:
            raise StorageError(
                f"Cannot write {str(self.path)!r}: {error.strerror or 'the disk refused'}."
            ) from error
        finally:
            self.discard()
        return self.path
