"""The folder that a run writes, and the page that explains it to whoever opens it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from dpsynth.release.staging import StagedFolder

if TYPE_CHECKING:
    from dpsynth.generators.table import SyntheticTable

__all__ = ["ReleaseFolder"]

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


class ReleaseFolder(StagedFolder):
    """What a run writes."""

    def write(self, table: SyntheticTable, *, title: str) -> Path:
        """Write all files, then let the folder appear under its name.

        Raises:
            StorageError: The disk is full or went away.
        """
        with self.settle() as work:
            table.to_parquet(work / "synthetic.parquet")
            table.to_csv(work / "synthetic.csv")
            table.model.save(work / "model.dps")
            table.model.schema.save(work / "schema.json")
            guarantee = json.dumps(table.guarantee.to_json(), indent=2)
            (work / "guarantee.json").write_text(guarantee + "\n", encoding="utf-8")
            (work / "README.md").write_text(_page(table, title), encoding="utf-8")
        return self.path
