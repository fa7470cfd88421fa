"""What models have in common whose columns follow one another, each given some before it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from dpsynth.graphical.completion import completed, present_codes, records
from dpsynth.graphical.conditionals import Conditional
from dpsynth.graphical.consistency import FloatArray
from dpsynth.graphical.elimination import chain_marginal, nodes_of
from dpsynth.graphical.evidence import Given
from dpsynth.graphical.sampling import Codes
from dpsynth.schema.schema import Schema

__all__ = ["ChainedModel"]


class ChainedModel(ABC):
    """Answers that follow from the conditional distributions of a model and one upward pass."""

    __slots__ = ()

    schema: Schema

    @abstractmethod
    def _chain(self) -> list[Conditional]:
        """Each column given some before it."""

    @abstractmethod
    def _upward(self, given: Given) -> tuple[dict[str, FloatArray], float]:
        """What each column knows of the evidence at and below it, and the probability of all evidence."""

    def probability(self, given: Given) -> float:
        """The share of records that have the codes `given`; with weights, their mean product."""
        return float(self._upward(given)[1])

    def marginal(self, columns: Sequence[str]) -> FloatArray:
        """The exact probabilities of any columns over their codes, axes in the order of `columns`.

        Raises:
            ConfigurationError: No different modelled columns, or a table that is too large.
        """
        return chain_marginal(self._chain(), nodes_of(columns, self.schema.domain))

    def complete_codes(
        self, rows: int, known: Mapping[str, Codes], rng: np.random.Generator
    ) -> dict[str, Codes]:
        """Records with the codes `known`, all else drawn given them; -1 asks for any code but "missing"."""
        given = records(self.schema, rows, known)
        drawn = completed(self._chain(), given, present_codes(self.schema), rng)
        return dict(zip(self.schema.domain.columns, drawn.T.astype(np.int32), strict=True))
