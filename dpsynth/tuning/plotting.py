"""The same picture on matplotlib axes that the caller made: this room does not load matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dpsynth.tuning.drawing import colours, labelled, levels
from dpsynth.tuning.knee import knee

if TYPE_CHECKING:
    from dpsynth.tuning.result import Frontier, FrontierPoint

__all__ = ["plot"]

_STYLES = ("-", "--", ":", "-.")
_BAR, _STEP = 0.03, 0.03  # where the bar of the first knee is, and how far the next is above it
_APART = 0.12  # room of a label under the axis, as a share of it


def plot(frontier: Frontier, axes: Any) -> Any:
    """Draw medians, bands, knees, ceiling, floor and the direct model; mode and cost are the title.

    A knee is a bar above the axis, in the colour of its method. Under each epsilon stands how often the best
    attacker guesses right whether somebody is in the table.

    Args:
        frontier: What is drawn.
        axes: Of matplotlib; the caller saves or shows their figure.

    Returns:
        The axes.
    """
    metric, colour = frontier.metric, colours(frontier.methods)
    axes.set_xscale("log")
    for place, method in enumerate(frontier.methods):
        points = frontier.of(method)
        found = knee(points, metric)
        label = method if found is None else f"{method} (knee {found.low:.2g} to {found.high:.2g})"
        _series(axes, points, metric, colour[method], _STYLES[place % len(_STYLES)], label)
        if found is not None:
            axes.plot(
                [found.low, found.high],
                [_BAR + _STEP * place] * 2,
                transform=axes.get_xaxis_transform(),
                color=colour[method],
                linewidth=4,
                alpha=0.6,
                solid_capstyle="butt",
            )
    for name, value in levels(frontier).items():
        axes.axhline(value, color="gray", linewidth=1, linestyle=(0, (4, 4)))
        axes.annotate(
            f"{name.lower()} {value:.4g}",
            (1, value),
            xycoords=axes.get_yaxis_transform(),
            xytext=(4, 0),
            textcoords="offset points",
            verticalalignment="center",
            color="gray",
            fontsize="small",
        )
    if metric == "tstr" and frontier.direct:
        direct = sorted(frontier.direct.items())
        axes.plot(
            [one for one, _ in direct],
            [value for _, value in direct],
            color="gray",
            linestyle=":",
            label="direct model",
        )
    _axis(axes, labelled(frontier, apart=_APART))
    axes.margins(y=0.05 + _STEP * (1 + len(frontier.methods)))
    axes.set_ylabel(metric)
    axes.set_title(f"{frontier.mode}: {frontier.cost}\n{frontier.disclosure}", fontsize="small", loc="left")
    axes.legend(fontsize="small")
    return axes


def _series(
    axes: Any, points: Sequence[FrontierPoint], metric: str, colour: str, style: str, label: str
) -> None:
    epsilons = [point.epsilon for point in points]
    bands = [point.utility[metric] for point in points]
    axes.plot(
        epsilons, [band.median for band in bands], color=colour, linestyle=style, marker="o", label=label
    )
    axes.fill_between(
        epsilons, [band.low for band in bands], [band.high for band in bands], color=colour, alpha=0.22
    )


def _axis(axes: Any, points: Sequence[FrontierPoint]) -> None:
    """The epsilons that were tried, and what each means for one person."""
    labels = [f"{point.epsilon:.3g}\n{50 * (1 + point.advantage):.3g} %" for point in points]
    axes.set_xticks([point.epsilon for point in points], labels=labels)
    axes.set_xticks([], minor=True)
    axes.set_xlabel("epsilon (log), and how often the best guess about one person is right")
