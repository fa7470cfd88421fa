"""A table made by rules, and the statement that goes with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dpsynth import _validate
from dpsynth._archive import write_atomically
from dpsynth._version import __version__
from dpsynth.errors import ConfigurationError
from dpsynth.generators.rules.adherence import adherence
from dpsynth.generators.rules.columns import KeyRule
from dpsynth.generators.rules.derived import DerivedRule
from dpsynth.generators.rules.drawing import BLOCK, Block, draw_block
from dpsynth.generators.rules.frames import frame_of
from dpsynth.generators.rules.obeying import chosen_rows, obeying_blocks
from dpsynth.generators.rules.parts import quoted
from dpsynth.generators.table import METADATA_KEY
from dpsynth.schema.formulas.evaluation import Values, violated
from dpsynth.schema.formulas.syntax import Node, parse

if TYPE_CHECKING:
    from dpsynth.generators.rules.specification import Rules

__all__ = ["SimulatedTable", "Statement", "simulated"]

Array = np.ndarray[Any, Any]
_KIND = "dpsynth-simulation/1"
_ROWS_SHOWN = 5
_WORDS = (
    "epsilon = 0: no data about people was read. These rows were made from declared rules and random numbers "
    "alone; the promise is as good as the rules, which must not have been read from private rows."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """What is promised about simulated rows, and how to make them again.

    Attributes:
        table: Name of the table.
        rules: SHA-256 of the rules.
        rows: Number of rows.
        seed: Seed that gives these rows again.
        accepted: Share of all drawn rows that met the constraints.
        version: Version of dpsynth.
    """

    table: str
    rules: str
    rows: int
    seed: int
    accepted: float
    version: str = __version__

    def in_words(self) -> str:
        """The promise in plain sentences."""
        return (
            f"{_WORDS}\nAccepted by the constraints: {self.accepted:.1%} of all rows drawn. Seed {self.seed}."
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "kind": _KIND,
            "epsilon": 0.0,
            "delta": 0.0,
            "statement": _WORDS,
            "table": self.table,
            "rules": self.rules,
            "rows": self.rows,
            "seed": self.seed,
            "accepted": self.accepted,
            "version": self.version,
        }


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SimulatedTable:
    """Simulated rows with their statement.

    Attributes:
        frame: The rows.
        statement: What is promised about them.
    """

    frame: pd.DataFrame
    statement: Statement

    def write(self, path: str | Path) -> Path:
        """Write the rows to a `.csv` or `.parquet` file, and the statement beside it.

        Returns:
            Where the statement is: `orders.csv` has `orders.guarantee.json`.

        Raises:
            ConfigurationError: Another suffix.
            StorageError: A file cannot be written.
        """
        target = Path(path)
        statement = json.dumps(self.statement.to_json(), indent=2).encode() + b"\n"
        if target.suffix == ".csv":
            text = self.frame.to_csv(index=False, lineterminator="\n").encode()
            write_atomically(target, lambda file: file.write(text))
        elif target.suffix == ".parquet":
            self._write_parquet(target)
        else:
            raise ConfigurationError(f"Expected a name that ends in .csv or .parquet, got {target.name!r}.")
        beside = target.with_suffix(".guarantee.json")
        write_atomically(beside, lambda file: file.write(statement))
        return beside

    def _write_parquet(self, path: Path) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        table = pa.Table.from_pandas(self.frame, preserve_index=False)
        statement = json.dumps(self.statement.to_json(), sort_keys=True).encode()
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), METADATA_KEY: statement})
        write_atomically(path, lambda file: parquet.write_table(table, file))

    def __repr__(self) -> str:
        head = self.frame.head(_ROWS_SHOWN)
        return f"{self.statement.in_words()}\n\n{head!r}\n({len(self.frame)} simulated rows)"

    def _repr_html_(self) -> str:
        words = escape(self.statement.in_words()).replace("\n", "<br>")
        rows = self.frame.head(_ROWS_SHOWN).to_html(index=False, escape=True, border=0)
        shown = min(_ROWS_SHOWN, len(self.frame))
        return f"<p><b>Statement</b><br>{words}</p>{rows}<p>{shown} of {len(self.frame)} simulated rows</p>"


def simulated(rules: Rules, rows: int, seed: int | None) -> SimulatedTable:
    """Draw so many rows, redraw those that break a constraint, and check the written table.

    Raises:
        ConfigurationError: The constraints reject too much, a key has too few digits, or a rule fails.
    """
    _validate.count("rows", rows, least=0)
    if seed is None:
        seed = int(np.random.SeedSequence().generate_state(1)[0])
    _validate.count("seed", seed, least=0)
    _check_keys(rules, rows)
    conditions = _conditions(rules)
    draw = _redrawn_blocks if rules.obeys is None else obeying_blocks
    blocks, accepted = draw(rules, conditions, seed, rows)
    frame = frame_of(rules, blocks, rows)
    broken = [what for what, share in adherence(rules, frame).items() if share < 1]
    if broken:  # what is written is what counts: rounding and types included
        raise ConfigurationError(f"The written table breaks {broken}. Give its columns more decimals.")
    statement = Statement(table=rules.name, rules=rules.digest(), rows=rows, seed=seed, accepted=accepted)
    return SimulatedTable(frame=frame, statement=statement)


def _check_keys(rules: Rules, rows: int) -> None:
    for rule in rules.columns:
        if isinstance(rule, KeyRule) and rule.pattern is not None and rows >= 10 ** rule.pattern.count("#"):
            raise ConfigurationError(
                f"Column {rule.name!r}: {rule.pattern!r} has too few '#' for {rows} different keys; add some."
            )


def _conditions(rules: Rules) -> dict[str, Node]:
    texts = list(rules.constraints)
    for rule in rules.columns:
        if isinstance(rule, DerivedRule):
            name = quoted(rule.name)
            texts += [f"{name} >= {rule.minimum}"] if rule.minimum is not None else []
            texts += [f"{name} <= {rule.maximum}"] if rule.maximum is not None else []
    return {text: parse(text, where=f"Constraint {text!r}") for text in texts}


def _redrawn_blocks(
    rules: Rules, conditions: Mapping[str, Node], seed: int, rows: int
) -> tuple[list[dict[str, Values]], float]:
    """So many rows that meet all conditions, in blocks, and the share of drawn rows that did."""
    blocks, drawn = [], 0
    for number, first in enumerate(range(0, rows, BLOCK) or (0,)):
        values, tried = _accepted_block(rules, conditions, seed, number, min(BLOCK, rows - first))
        blocks.append(values)
        drawn += tried
    return blocks, rows / drawn if drawn else 1.0


def _accepted_block(
    rules: Rules, conditions: Mapping[str, Node], seed: int, number: int, rows: int
) -> tuple[dict[str, Values], int]:
    """Rows of one block that meet all conditions, and how many were drawn for them."""
    known = rules.facts
    values = draw_block(rules.columns, known, rules.correlation, Block(seed, number, 0), rows)
    wrong, drawn = np.flatnonzero(_broken(conditions, values, rows)), rows
    for attempt in range(1, rules.rounds + 1):
        if not len(wrong):
            return values, drawn
        again = draw_block(rules.columns, known, rules.correlation, Block(seed, number, attempt), len(wrong))
        drawn += len(wrong)
        for name, new in again.items():
            values[name] = _replaced(values[name], wrong, new)
        wrong = wrong[_broken(conditions, again, len(wrong))]
    if len(wrong):
        _give_up(
            rules,
            conditions,
            chosen_rows(values, wrong),
            (rows, drawn, len(wrong)),
        )
    return values, drawn


def _broken(conditions: Mapping[str, Node], values: Mapping[str, Values], rows: int) -> Array:
    broken = np.zeros(rows, dtype=bool)
    for node in conditions.values():
        broken |= violated(node, values, rows)
    return broken


def _replaced(old: Values, places: Array, new: Values) -> Values:
    data, gaps = np.array(old.data), np.array(old.gaps)
    data[places], gaps[places] = new.data, new.gaps
    return Values(kind=old.kind, data=data, gaps=gaps, texts=old.texts)


def _give_up(
    rules: Rules, conditions: Mapping[str, Node], values: Mapping[str, Values], counts: tuple[int, int, int]
) -> None:
    rows, drawn, left = counts
    broken = {text: int(violated(node, values, left).sum()) for text, node in conditions.items()}
    worst = max(broken, key=lambda text: broken[text])
    raise ConfigurationError(
        f"After {rules.rounds} rounds {left} of {rows} rows still break a constraint, most often {worst!r}; "
        f"{(rows - left) / drawn:.2%} of {drawn} drawn rows were accepted. No table was made. Choose rules "
        "that meet it more often, derive one of its columns from the others, or raise `rounds`."
    )
