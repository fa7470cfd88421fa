"""The same picture on matplotlib axes that the caller made: this room does not load matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dpsynth.tuning.drawing import COLOURS, levels
from dpsynth.tuning.knee import knee

if TYPE_CHECKING:
    from dpsynth.tuning.result import Frontier

__all__ = ["plot"]

_STYLES = ("-", "--", ":", "-.")


def plot(frontier: Frontier, axes: Any) -> Any:
    """Draw medians, bands, knees, ceiling, floor and the direct model; mode and cost are the title.

    Args:
        frontier: What is drawn.
        axes: Of matplotlib; the caller saves or shows their figure.

    Returns:
        The axes.
    """
    metric = frontier.metric
    for place, method in enumerate(frontier.methods):
        points, colour = frontier.of(method), COLOURS[place % len(COLOURS)]
        epsilons = [point.epsilon for point in points]
        bands = [point.utility[metric] for point in points]
        axes.plot(
            epsilons,
            [band.median for band in bands],
            color=colour,
            linestyle=_STYLES[place % len(_STYLES)],
            marker="o",
            label=method,
        )
        axes.fill_between(
            epsilons, [band.low for band in bands], [band.high for band in bands], color=colour, alpha=0.22
        )
        found = knee(points, metric)
        if found is not None:
            axes.axvspan(
                found.low, found.high, color=colour, alpha=0.08, label=f"{method}: {found.in_words()}"
            )
    for name, value in levels(frontier).items():
        axes.axhline(value, color="gray", linestyle=(0, (4, 4)), label=f"{name.lower()} {value:.4g}")
    if metric == "tstr" and frontier.direct:
        direct = sorted(frontier.direct.items())
        axes.plot(
            [one for one, _ in direct],
            [value for _, value in direct],
            color="gray",
            linestyle=":",
            label="direct model",
        )
    axes.set_xscale("log")
    axes.set_xlabel("epsilon")
    axes.set_ylabel(metric)
    axes.set_title(f"{frontier.mode}: {frontier.cost}\n{frontier.disclosure}", fontsize="small", loc="left")
    axes.legend(fontsize="small")
    return axes
