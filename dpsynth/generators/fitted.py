"""A fitted model together with its guarantee: draw as many tables as you like, they cost nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from dpsynth import _validate
from dpsynth.errors import ConfigurationError, RulesError
from dpsynth.generators.adhering import adhering_completion, adhering_table
from dpsynth.generators.base import Model, Rng, random_generator
from dpsynth.generators.completing import TAINT
from dpsynth.generators.error_bars import ErrorBars, error_bars
from dpsynth.generators.given import given_codes
from dpsynth.generators.marginals import marginal_frame
from dpsynth.generators.measured import measurements_frame
from dpsynth.generators.store import load_model, save_model
from dpsynth.generators.table import SyntheticTable
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
            given: Values that every row has, by column; a list of values is a choice among them. For a
                number or a date the *cell* of the value is fixed: rows have values of that cell.
            rng: Seed or generator. It drives sampling only; the noise was drawn before.

        Returns:
            Exactly so many rows, all of which meet every rule of the schema; `acceptance` says how they were
            found.

        Raises:
            ConfigurationError: `given` names no modelled column, or a value outside its domain.
            RulesError: Too few rows of the model meet the rules; it has the model as `model`.
        """
        wanted = round(self.model.total) if rows is None else _validate.count("rows", rows, least=0)
        generator = random_generator(rng)
        fixed = given_codes(self.schema, given or {})
        try:
            frame, acceptance = adhering_table(self.model, wanted, generator, fixed)
        except RulesError as error:
            error.model = self  # it is paid for, and a caller of `synthesize` has no other hold on it
            raise
        return SyntheticTable(frame=frame, guarantee=self.guarantee, model=self, acceptance=acceptance)

    def complete(self, frame: pd.DataFrame, *, rng: Rng = None) -> SyntheticTable:
        """Fill in a partial frame: every value that it has is kept, all else is drawn given them.

        The frame is yours. It is neither measured nor charged, and nothing of it is protected: the
        guarantee covers what the model draws, not what you give, and the table says so. Do not publish
        a completed table of private rows.

        Args:
            frame: Some columns of the schema. A missing value (None, NaN, blank, or a text that the schema
                reads as missing) is filled in with a value. Columns that are not there are drawn as a
                sample draws them: some of their values may be missing.
            rng: Seed or generator.

        Returns:
            All columns of the schema, under the index of `frame`. Categories are kept as they are, numbers
            and dates at the precision of the schema; their cells decide about the other columns. Columns
            that are not modelled are kept where they are given. A row that the model holds impossible is
            completed from a model in which a little is possible everywhere. Rows that break a rule of the
            schema are drawn again.

        Raises:
            ConfigurationError: A column or a value that the schema does not have; nothing was drawn. Or what
                is given breaks a rule of the schema whatever is drawn.
            DataError: A column of a type that cannot hold what the schema declares.
        """
        made = adhering_completion(self.model, frame, random_generator(rng))
        guarantee = dataclasses.replace(self.guarantee, taints=(*self.guarantee.taints, TAINT))
        return SyntheticTable(frame=made, guarantee=guarantee, model=self)

    def marginal(self, columns: str | Sequence[str]) -> pd.DataFrame:
        """The exact marginal of any columns, without drawing rows.

        It is that of the model: constraints hold in it, but rules that are enforced on rows do not.

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

    def error_bars(self, where: Mapping[str, object], *, level: float = 0.95) -> ErrorBars:
        """How many rows there are, and how far that may be off.

        The interval follows from the noisy tables of the transcript and the known law of their noise, and
        from nothing else: no assumption about the data, and none about the model. Where tables split
        exactly at what is asked, it is their mean and its noise; elsewhere it is made of bounds, and
        may be wide. The count is that of the rows that were encoded: what the schema drops, and rows of a
        person beyond the bound on contributions, are in no count.

        Args:
            where: What is counted, by column: a value or a list of values, for a number or a date its
                cell; or for a number or a date all values of a pair (low, high).
            level: Least probability that the interval covers the true count. It is over the noise, for
                one question: a hundred intervals of level 0.95 may all be asked, and about five will miss.
                Where a run asked later tables because of earlier answers and several of them answer the
                question (`privbayes`, `aim`), it takes them as if they had been planned.

        Raises:
            ConfigurationError: No transcript, an impossible level, or no modelled column or value.
        """
        return error_bars(self.model, self._known_transcript(), where, level=level)

    def save(self, path: str | Path) -> None:
        """Write model, guarantee and transcript to one file: JSON and arrays in a zip, no pickle.

        Args:
            path: Where to write. A name that ends in `.safetensors` gives that format (extra `deep`).

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
