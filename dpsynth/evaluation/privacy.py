"""Is it private? First what is certified, then what attacks find, then diagnostics of copying."""

from __future__ import annotations

from collections.abc import Sequence

from dpsynth.errors import ConfigurationError
from dpsynth.evaluation.attributes import attribute_inference
from dpsynth.evaluation.ceilings import certified, limits
from dpsynth.evaluation.clique_membership import clique_membership
from dpsynth.evaluation.matches import exact_matches
from dpsynth.evaluation.membership import membership
from dpsynth.evaluation.neighbours import Nearness, nearest_neighbours
from dpsynth.evaluation.results import Result
from dpsynth.evaluation.tables import Tables
from dpsynth.session.guarantee import Guarantee
from dpsynth.session.transcript import Transcript

__all__ = ["privacy"]


def privacy(
    tables: Tables,
    *,
    guarantee: Guarantee | None = None,
    transcript: Transcript | None = None,
    sensitive: Sequence[str] = (),
    quick: bool = False,
) -> tuple[Result, ...]:
    """All results about privacy, in the order in which they are shown.

    The certified limits come first and are public; they follow from the guarantee alone. Everything after
    them was computed from real rows and is confidential: published next to the synthetic rows, numbers about
    copies and distances can give away the rows that they are about (Ganev and De Cristofaro, ReconSyn, 2023).

    Args:
        tables: Real and synthetic rows, and a holdout; without one only limits and matches are known.
        guarantee: Of the synthetic rows.
        transcript: Of their run, if it may be read; makes the strongest attack stronger.
        sensitive: Columns whose values somebody may want to find out.
        quick: Draw at most 5,000 rows of each table for distances and learning, and learn for a shorter time.

    Raises:
        DataError: A sensitive column is not among those compared.
        MissingExtraError: scikit-learn, which some attacks learn with, is not installed.
    """
    if isinstance(sensitive, str):
        raise ConfigurationError("Expected sensitive as several column names, got one text.")
    known = limits(guarantee)
    nearness = Nearness.of(tables, quick=quick)
    return (
        *certified(guarantee),
        *clique_membership(tables, transcript=transcript, limits=known),
        *membership(tables, limits=known, quick=quick, nearness=nearness),
        *attribute_inference(tables, sensitive=sensitive, limits=known, quick=quick),
        *exact_matches(tables, sensitive=sensitive),
        *nearest_neighbours(tables, quick=quick, nearness=nearness),
    )
