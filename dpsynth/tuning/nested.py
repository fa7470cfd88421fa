"""Many epsilons from one charge: measure once at the largest, and add noise for the others.

Each method runs once, at the largest epsilon, and its answers are kept. At a smaller one it is fitted again,
by its own code, to answers of `Degraded`. In the end all models are scored together. All of this is one
session with one price, and everything that comes out of it is covered by that price: any point may be
published, and its guarantee is then the one of the whole run.

**Which epsilon counts.** A point at epsilon' tells what a *fresh run* at epsilon' would give. It does not
make the paid run cheaper: whoever saw the points has seen the run at its full price. What `Degraded` says
about epsilon' itself holds only for a release of that one point, fixed beforehand, with no other seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dpsynth.generators.fitted import FittedModel
from dpsynth.privacy.budget import Budget
from dpsynth.tuning.charged import require_metric
from dpsynth.tuning.methods import Methods, configured, promised, swept
from dpsynth.tuning.nested_sweep import Found, NestedSweep
from dpsynth.tuning.paid import Account, cost_of, point_of, price_of, run_once
from dpsynth.tuning.result import Frontier

if TYPE_CHECKING:
    from dpsynth.ledger import Cap, Ledger
    from dpsynth.schema.schema import Schema
    from dpsynth.session import Guarantee, Source

__all__ = ["nested", "nested_price"]

_NOTES = (
    "A point tells what a fresh run at its epsilon would give. Whatever is published of this run, at any "
    "point, has the epsilon of its cost: the points were seen together.",
    "Replicates share the noise of the paid run, more of it the nearer they are to the largest epsilon; they "
    "state no rate for a choice.",
)


def nested_price(
    schema: Schema,
    *,
    methods: Methods,
    epsilons: Sequence[float],
    delta: float = 1e-9,
    target: str | None = None,
    score_share: float = 0.05,
) -> Budget:
    """What `nested` will cost. No data is opened.

    Raises:
        ConfigurationError: As for `nested`.
    """
    sweep = NestedSweep(
        generators=configured(methods, schema=schema, target=target),
        epsilons=swept(epsilons),
        delta=delta,
        score_share=score_share,
    )
    return price_of(sweep, schema)


def nested(  # noqa: PLR0913 - what is run, who pays, and where it is kept
    source: Source,
    schema: Schema,
    *,
    methods: Methods,
    epsilons: Sequence[float],
    delta: float = 1e-9,
    ledger: Ledger,
    dataset: str,
    cap: Cap | None = None,
    target: str | None = None,
    replicates: int = 1,
    score_share: float = 0.05,
    metric: str = "k_marginal",
    folder: str | Path | None = None,
    workers: int = 1,
    rng: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Frontier:
    """A frontier from one charge on the private table.

    Args:
        source: The private table: a path or a frame.
        schema: Complete, declared.
        methods: Those that count and choose by a fixed plan: `independent`, `allpairs`, `mst`, `privbayes`.
        epsilons: Where; each method runs at the largest of them.
        delta: Of each release, and of the sweep.
        ledger: Where the price is recorded.
        dataset: The account of the people in the table.
        cap: Ceiling of the account if it is new.
        target: A column that is predicted later, for the methods that can favour one.
        replicates: So many times noise is added for each smaller epsilon.
        score_share: The price of all scores, as part of that of one method (of mu squared).
        metric: `k_marginal` or `pair_accuracy`.
        folder: Keeps what was paid for, each fitted point, and the model of each point as a file. The same
            call goes on from it where it was interrupted, at no second price. Needs the same ledger.
        workers: Threads for the fits.
        rng: Seed of the post-processing. Noise that protects takes no seed.
        progress: Told after each point: how many are done, of how many.

    Returns:
        The frontier. Its cost is that of the whole sweep, and holds for whatever is published of it.

    Raises:
        ConfigurationError: A method cannot be read at smaller epsilons, or an argument makes no sense.
        BudgetExceededError: The account has no room; nothing was drawn.
        PrivacyError: A process died in the middle of a draw. Its price stays spent.

    Privacy: one session, one reservation: see `NestedSweep`.
    """
    place = None if folder is None else Path(folder)
    sweep = NestedSweep(
        generators=configured(methods, schema=schema, target=target),
        epsilons=swept(epsilons),
        delta=delta,
        replicates=replicates,
        score_share=score_share,
        workers=workers,
        folder=place,
        progress=progress,
    )
    require_metric(schema, metric)
    found, guarantee = run_once(
        source,
        sweep,
        schema,
        Account(ledger=ledger, dataset=dataset, cap=cap),
        rng=rng,
        folder=place,
    )
    if place is not None:
        _save_models(place, found, guarantee)
    return _frontier(sweep, schema, found, guarantee, metric)


def _frontier(
    sweep: NestedSweep, schema: Schema, found: Found, guarantee: Guarantee, metric: str
) -> Frontier:
    words = (
        f"one charge of epsilon = {guarantee.epsilon:.4g}: each method once at epsilon = "
        f"{sweep.epsilons[-1]:g}, and the scores"
    )
    cost, disclosure = cost_of(guarantee, words)
    points, lacking = [], []
    for label, generator in sweep.generators.items():
        for epsilon in sweep.epsilons:
            places = [one for one in found.drafts if (one.method, one.epsilon) == (label, epsilon)]
            if not places:
                lacking.append(f"{label} at epsilon = {epsilon:g} asks what the paid run does not tell.")
                continue
            drafts = [found.drafts[one] for one in places]
            promise = promised(generator, schema, epsilon=epsilon, delta=sweep.delta)
            points.append(
                point_of(
                    label,
                    promise.plan.events,
                    budget=Budget(epsilon=epsilon, delta=sweep.delta),
                    estimates=[found.estimates[one] for one in places],
                    seconds=[one.seconds for one in drafts],
                    reliable=promise.reliable,
                    note=f"{drafts[0].fidelity.in_words()} Published from this run: epsilon = "
                    f"{guarantee.epsilon:.4g}; a fresh run has epsilon = {epsilon:g}.",
                )
            )
    lowest = {one.method: one for one in points if one.epsilon == sweep.epsilons[-1]}.get("independent")
    return Frontier(
        mode="nested",
        metric=metric,
        points=tuple(points),
        cost=cost,
        ceiling=found.ceiling,
        floor={} if lowest is None else {name: band.median for name, band in lowest.utility.items()},
        disclosure=disclosure,
        notes=(*_NOTES, *lacking),
    )


def _save_models(folder: Path, found: Found, guarantee: Guarantee) -> None:
    """One file for each point, with the guarantee of the whole run."""
    (folder / "models").mkdir(exist_ok=True)
    for place, draft in found.drafts.items():
        path = folder / "models" / f"{place.method}-{place.epsilon:g}.dps"
        if place.replicate == 0 and not path.exists():
            FittedModel(model=draft.model, guarantee=guarantee).save(path)
