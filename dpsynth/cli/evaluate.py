"""`dpsynth evaluate` and `dpsynth report`: how good is a synthetic table, and pages that say so."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dpsynth.cli.console import Target, console
from dpsynth.errors import ConfigurationError, DpsynthError

if TYPE_CHECKING:
    import pandas as pd

    from dpsynth.evaluation.results import Result
    from dpsynth.privacy.budget import Budget
    from dpsynth.schema.schema import Schema
    from dpsynth.session import Guarantee, Transcript

__all__ = ["evaluate", "report"]

_TABLE, _PROMISE, _MODEL = "synthetic.parquet", "guarantee.json", "model.dps"
_PUBLISHED = "published-scores.json"


def evaluate(
    real: Annotated[Path, typer.Argument(help="The real rows that the generator learned from.")],
    synthetic: Annotated[Path, typer.Argument(help="A synthetic table, or the folder that a run wrote.")],
    schema: Annotated[Path, typer.Option("--schema", "-s", help="JSON document of the schema.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the confidential report.")],
    holdout: Annotated[
        Path | None, typer.Option("--holdout", help="Real rows that the generator has not seen.")
    ] = None,
    target: Target = None,
    protected: Annotated[
        str, typer.Option("--protected", help="Columns whose groups are looked at, by comma.")
    ] = "",
    sensitive: Annotated[
        str, typer.Option("--sensitive", help="Columns that an attacker would infer, by comma.")
    ] = "",
    quick: Annotated[bool, typer.Option("--quick", help="Fewer rows and repeats.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="Of everything that is drawn.")] = 0,
    publish_epsilon: Annotated[
        float, typer.Option("--publish-epsilon", help="Buy a few scores that may be published.")
    ] = 0.0,
    publish_delta: Annotated[float, typer.Option("--publish-delta", help="Chance left out.")] = 1e-9,
    ledger: Annotated[
        Path | None, typer.Option("--ledger", "-l", help="With --publish-epsilon: the ledger file.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="Account in the ledger. Default: the file's name.")
    ] = None,
) -> None:
    """Compare a synthetic table with real rows. The result is confidential, except scores that are bought."""
    from dpsynth.evaluation import evaluate as compare_tables
    from dpsynth.evaluation.accuracy import countable
    from dpsynth.evaluation.report.findings import findings
    from dpsynth.privacy.budget import Budget
    from dpsynth.schema.schema import Schema

    if publish_epsilon and ledger is None:
        raise ConfigurationError("Scores that may be published are charged: name the file with --ledger.")
    known = Schema.load(schema)
    table, guarantee, transcript = _opened(synthetic)
    if publish_epsilon and guarantee is None:
        raise ConfigurationError(
            "Scores of a table without a guarantee cannot be published: it may follow the real rows itself. "
            "Name the folder of a release instead of the table."
        )
    purchase = None
    if publish_epsilon and ledger is not None:
        purchase = _Purchase(
            schema=known,
            budget=Budget(epsilon=publish_epsilon, delta=publish_delta),
            ledger=ledger,
            dataset=dataset or real.name.split(".")[0],
            target=target if target and holdout and countable(known, target) else None,
        )
        purchase.check()  # a wrong ledger costs no minutes
    out.mkdir(parents=True, exist_ok=True)  # a folder that cannot be made is told before anything is spent
    found = compare_tables(
        _frame(real),
        _frame(table),
        known,
        holdout=None if holdout is None else _frame(holdout),
        target=target,
        protected=_names(protected),
        sensitive=_names(sensitive),
        guarantee=guarantee,
        transcript=transcript,
        quick=quick,
        seed=seed,
    )
    if purchase is not None:
        found = found.with_results(purchase.scores(real, table, holdout, protected=_names(protected)))
    page = found.save(out)
    if publish_epsilon:
        scores = out / _PUBLISHED
        scores.write_text(found.evaluation.publishable().to_json(), encoding="utf-8")
        console.print(f"Wrote {scores}: what may be published.", markup=False, highlight=False)
    for sentence in findings(found.evaluation):
        console.print(f"- {sentence}", markup=False, highlight=False)
    console.print(
        f"\nWrote {page}. CONFIDENTIAL: computed from real rows without noise.", markup=False, highlight=False
    )


def report(
    evaluations: Annotated[
        list[Path], typer.Argument(help="JSON files of evaluations, or one folder that a run wrote.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="HTML file to write.")],
) -> None:
    """Write a page: a card of one release, or several evaluations side by side."""
    from dpsynth._archive import write_atomically
    from dpsynth.evaluation.report import compare, curator_report, release_card
    from dpsynth.evaluation.results import Evaluation

    mode = 0o600
    if len(evaluations) == 1 and evaluations[0].is_dir():
        html, mode = release_card(_promise(evaluations[0] / _PROMISE)), 0o644
    else:
        read = [Evaluation.from_json(path.read_text(encoding="utf-8")) for path in evaluations]
        html = curator_report(read[0]) if len(read) == 1 else compare(read)
    write_atomically(out, lambda file: file.write(html.encode()), mode=mode)
    console.print(f"Wrote {out}.", markup=False, highlight=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Purchase:
    """Scores that are bought from the ledger of the release: a new one would not know what was spent."""

    schema: Schema
    budget: Budget
    ledger: Path
    dataset: str
    target: str | None

    def check(self) -> None:
        """Refuse what cannot be bought."""
        from dpsynth.evaluation.published import require_room
        from dpsynth.ledger import Ledger

        with Ledger.open(self.ledger, create=False) as opened:
            require_room(
                self.schema, budget=self.budget, ledger=opened, dataset=self.dataset, target=self.target
            )

    def scores(
        self, real: Path, table: Path, holdout: Path | None, *, protected: tuple[str, ...]
    ) -> tuple[Result, ...]:
        """Buy them."""
        from dpsynth.evaluation.published import published_scores
        from dpsynth.ledger import Ledger

        with Ledger.open(self.ledger, create=False) as opened:
            return published_scores(
                real,
                _frame(table),
                self.schema,
                budget=self.budget,
                ledger=opened,
                dataset=self.dataset,
                protected=protected,
                target=self.target,
                holdout=holdout,
            )


def _opened(path: Path) -> tuple[Path, Guarantee | None, Transcript | None]:
    """The table of a path, and what a run's folder says beside it."""
    if not path.is_dir():
        return path, None, None
    from dpsynth.generators import FittedModel

    try:
        transcript = FittedModel.load(path / _MODEL).transcript  # what the attack on measured tables reads
    except DpsynthError:
        transcript = None
    return path / _TABLE, _promise(path / _PROMISE), transcript


def _promise(path: Path) -> Guarantee:
    from dpsynth.session import Guarantee

    return Guarantee.from_json(json.loads(path.read_text(encoding="utf-8")))


def _frame(path: Path) -> pd.DataFrame:
    import pandas as pd

    from dpsynth.session.reading import read_raw

    return pd.DataFrame(read_raw(path))


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)
