"""A fitted model together with its guarantee: draw as many tables as you like, they cost nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.generators.base import Model, Rng, random_generator
from dpsynth.generators.marginals import marginal_frame
from dpsynth.generators.measured import measurements_frame
from dpsynth.generators.store import load_model, save_model
from dpsynth.generators.table import SyntheticTable
from dpsynth.schema.columns import Categorical, ModelledColumn
from dpsynth.schema.decode import decode_table
from dpsynth.schema.encode import encode_column
from dpsynth.schema.schema import Schema
from dpsynth.session.guarantee import Guarantee
from dpsynth.session.transcript import Transcript

if TYPE_CHECKING:
    from typing import Self

__all__ = ["FittedModel"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FittedModel:
    """A model that holds no data, and what its measurements cost.

    Attributes:
        model: The distribution over codes.
        guarantee: The promise that every sample inherits: sampling is post-processing.
        transcript: The noisy answers that the model was fitted to, publishable; None if they were not kept.
    """

    model: Model
    guarantee: Guarantee
    transcript: Transcript | None = None

    def __post_init__(self) -> None:
        if self.transcript is not None and self.transcript.schema != self.schema:
            raise ConfigurationError(
                "Expected the transcript of the run that gave the model; its schema differs."
            )

    @property
    def schema(self) -> Schema:
        """What the table may hold."""
        return self.model.schema

    def sample(
        self, rows: int | None = None, *, given: Mapping[str, object] | None = None, rng: Rng = None
    ) -> SyntheticTable:
        """Draw a synthetic table.

        Args:
            rows: How many rows; None draws the DP estimate of the number of rows.
            given: Values that every row has, by column. For a number or a date the *cell* of the
                value is fixed: rows have values of that cell.
            rng: Seed or generator. It drives sampling only; the noise was drawn before.

        Raises:
            ConfigurationError: `given` names no modelled column, or a value outside its domain.
        """
        wanted = round(self.model.total) if rows is None else _validate.count("rows", rows, least=0)
        generator = random_generator(rng)
        fixed = {name: self._code(name, value) for name, value in (given or {}).items()}
        codes = self.model.sample_codes(wanted, generator, fixed or None)
        frame = decode_table(self.schema, codes, wanted, generator)
        return SyntheticTable(frame=frame, guarantee=self.guarantee, model=self)

    def marginal(self, columns: str | Sequence[str]) -> pd.DataFrame:
        """The exact marginal of any columns, without drawing rows.

        Args:
            columns: Names of modelled columns.

        Returns:
            One row for each combination of values, missing included, even if the model gives it nothing:
            the columns, then `probability` and `count`, which is the probability times the DP estimate
            of the number of rows. Numbers and dates that share a cell are ordered closed intervals.

        Raises:
            ConfigurationError: Columns that are not modelled, or too many combinations.
        """
        return marginal_frame(self.model, (columns,) if isinstance(columns, str) else columns)

    def measurements(self) -> pd.DataFrame:
        """The noisy counts that the run paid for, as they were released.

        Returns:
            One row for each count: the number of its `table`, the `columns` of that table, the `cell` in
            words (values that were merged into one bucket stand together), the noisy `count` and the
            `standard_deviation` of its noise.

        Raises:
            ConfigurationError: The model carries no transcript, or one with too many counts for a frame.
        """
        return measurements_frame(self._known_transcript())

    def save(self, path: str | Path) -> None:
        """Write model, guarantee and transcript to one file: JSON and arrays in a zip, no pickle.

        Raises:
            StorageError: The file cannot be written.
        """
        save_model(path, self.model, self.guarantee, self.transcript)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a saved model.

        Raises:
            StorageError: The file is no model of a known version, or it is damaged.
        """
        model, guarantee, transcript = load_model(path)
        return cls(model=model, guarantee=guarantee, transcript=transcript)

    def _known_transcript(self) -> Transcript:
        if self.transcript is None:
            raise ConfigurationError(
                "This model carries no transcript of its run. Models of `dpsynth run` and `synthesize` do; "
                "by hand it is FittedModel(model=..., guarantee=..., transcript=session.transcript)."
            )
        return self.transcript

    def _code(self, name: str, value: object) -> int:
        """The code of a public value; strict, where the codec of the private table is lenient."""
        column = next((column for column in self.schema.modelled if column.name == name), None)
        if column is None:
            modelled = [column.name for column in self.schema.modelled]
            raise ConfigurationError(
                f"Expected `given` to name modelled columns, got {name!r}; they are {modelled}."
            )
        code = _strict_code(column, value, self.schema.missing_values)
        if code is None:
            raise ConfigurationError(
                f"Column {name!r} cannot hold {value!r}: it is outside the declared domain."
            )
        return code


def _strict_code(column: ModelledColumn, value: object, missing_values: tuple[str, ...]) -> int | None:
    """The code of `value`; None if the domain does not have it, whatever the column's rule for that is."""
    if isinstance(column, Categorical) and column.other_code is not None and value == column.other_label:
        return column.other_code
    strict = dataclasses.replace(column, out_of_domain="drop")
    code = int(encode_column(strict, pd.Series([value], dtype=object), missing_values)[0])
    if code == strict.missing_code:
        return column.missing_code
    return None if code < 0 else code
