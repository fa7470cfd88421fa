"""Is the synthetic table similar to the real one? All results, in the order in which they are shown."""

from __future__ import annotations

from dpsynth.evaluation.anchors import Anchors
from dpsynth.evaluation.associations import associations
from dpsynth.evaluation.columns import columns
from dpsynth.evaluation.dependence import dependence
from dpsynth.evaluation.detection import detection
from dpsynth.evaluation.marginals import marginals
from dpsynth.evaluation.picture import picture_result
from dpsynth.evaluation.results import Result

__all__ = ["fidelity"]


def fidelity(anchors: Anchors, *, quick: bool = False) -> tuple[Result, ...]:
    """Everything about similarity. All of it is computed from real rows, so all of it is confidential.

    Args:
        anchors: Real and synthetic rows with their yardsticks.
        quick: Fewer rows for classifiers, fewer pairs where there are many columns.

    Returns:
        Tables of counts first, then single columns, associations, detection and the picture.

    Raises:
        MissingExtraError: scikit-learn is not installed; the message gives the command.
    """
    return (
        *marginals(anchors, quick=quick),
        *columns(anchors),
        *associations(anchors, quick=quick),
        *dependence(anchors, quick=quick),
        *detection(anchors, quick=quick),
        picture_result(anchors),
    )
