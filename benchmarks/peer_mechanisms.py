"""What `peers.py` starts inside a peer's own environment: one method once, rows to a file, seconds as JSON.

    ENVIRONMENT/python peer_mechanisms.py ORDER

ORDER is a JSON object: `method`, `source` and `out` (CSV files of codes), `sizes` (column: number of codes),
`epsilon`, `delta`, and `rho`, the zCDP budget that gives them. Only what a peer installs is imported here,
so nothing of dpsynth. `mbi` estimates only: its `mst` is our own short one, with numpy's noise.
"""

from __future__ import annotations

import itertools
import json
import math
import resource
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

Order = dict[str, Any]


# ---------------------------------------------------------------- opendp


def opendp_rows(order: Order, algorithm: Callable[[Any], Any]) -> None:
    import opendp.prelude as dp
    import polars as pl

    dp.enable_features("contrib")
    rho = order["rho"]
    context = dp.Context.compositor(
        data=pl.scan_csv(order["source"]),
        privacy_unit=dp.unit_of(contributions=1),
        privacy_loss=dp.loss_of(rho=rho),
    )
    keys = {name: list(range(size)) for name, size in order["sizes"].items()}
    asked = context.query(rho=rho).select(*keys)
    table = asked.contingency_table(keys=keys, algorithm=algorithm(dp)).release()
    table.synthesize().select(*keys).write_csv(order["out"])


def opendp_aim(order: Order) -> None:
    opendp_rows(order, lambda dp: dp.mbi.AIM(queries=2))  # pairs, as all the others here


def opendp_mst(order: Order) -> None:
    opendp_rows(order, lambda dp: dp.mbi.MST())


# ---------------------------------------------------------------- dpmm


def dpmm_rows(order: Order, pipeline: Any) -> None:
    import pandas as pd

    frame = pd.read_csv(order["source"])
    # The codes are its domain already: nothing is spent on cells. Bound on the model: that of the paper.
    made = pipeline(
        epsilon=order["epsilon"], delta=order["delta"], max_model_size=80, disable_processing=True
    )
    made.fit(frame, domain=order["sizes"])
    made.generate(n_records=len(frame)).to_csv(order["out"], index=False)


def dpmm_aim(order: Order) -> None:
    from dpmm.pipelines import AIMPipeline

    dpmm_rows(order, AIMPipeline)


def dpmm_mst(order: Order) -> None:
    from dpmm.pipelines import MSTPipeline

    dpmm_rows(order, MSTPipeline)


# ---------------------------------------------------------------- mbi, with a mechanism of ours

_RARE = 3.0  # standard deviations below which a code is merged with other rare ones


def mbi_mst(order: Order) -> None:
    """A third of rho each for columns, for choosing a tree, and for its pairs (McKenna et al., 2021)."""
    import jax

    jax.config.update("jax_enable_x64", True)
    import mbi
    import pandas as pd

    rng = np.random.default_rng()
    frame = pd.read_csv(order["source"])
    names, third = list(order["sizes"]), order["rho"] / 3
    sigma = math.sqrt(len(names) / (2 * third))
    measured, groups, codes = [], {}, {}
    for name, size in order["sizes"].items():
        noisy = np.bincount(frame[name], minlength=size) + rng.normal(0, sigma, size)
        groups[name] = _merged(noisy, _RARE * sigma)
        codes[name] = groups[name][frame[name].to_numpy()]
        sums = np.bincount(groups[name], weights=noisy)
        spread = sigma * np.sqrt(np.bincount(groups[name]))  # of a merged code the noise is larger
        # One deviation for a whole table: the root mean square. The merged code is one of many.
        measured.append(mbi.LinearMeasurement(sums, (name,), float(np.sqrt(np.mean(spread**2)))))
    domain = mbi.Domain.fromdict({name: int(groups[name].max()) + 1 for name in names})
    shapes = {pair: (domain[pair[0]], domain[pair[1]]) for pair in itertools.combinations(names, 2)}

    def counts(pair: tuple[str, str]) -> np.ndarray[Any, Any]:
        cells = codes[pair[0]] * domain[pair[1]] + codes[pair[1]]
        return np.bincount(cells, minlength=math.prod(shapes[pair])).astype(float)

    first = mbi.estimation.MirrorDescent().estimate(domain, measured)
    alone = {name: np.asarray(first.project((name,)).datavector()) for name in names}
    total = float(first.total)
    gaps = {
        pair: float(np.abs(counts(pair) - np.outer(alone[pair[0]], alone[pair[1]]).ravel() / total).sum())
        for pair in shapes
    }
    tree = _chosen_tree(names, gaps, math.sqrt(8 * third / (len(names) - 1)), rng)
    sigma = math.sqrt(len(tree) / (2 * third))
    for pair in tree:
        noisy = counts(pair) + rng.normal(0, sigma, math.prod(shapes[pair]))
        measured.append(mbi.LinearMeasurement(noisy, pair, sigma))
    model = mbi.estimation.MirrorDescent().estimate(domain, measured)
    drawn = model.synthetic_data().to_dict()
    pd.DataFrame({name: _expanded(drawn[name], groups[name], rng) for name in names}).to_csv(
        order["out"], index=False
    )


def _merged(noisy: np.ndarray[Any, Any], least: float) -> np.ndarray[Any, Any]:
    """The group of each code: all rare ones share the last."""
    common = noisy >= least
    return np.where(common, np.cumsum(common) - 1, common.sum())


def _expanded(
    drawn: np.ndarray[Any, Any], groups: np.ndarray[Any, Any], rng: np.random.Generator
) -> np.ndarray[Any, Any]:
    """A code of the group, each as likely as the others."""
    order, sizes = np.argsort(groups, kind="stable"), np.bincount(groups)
    starts = np.cumsum(sizes) - sizes
    return order[starts[drawn] + rng.integers(0, sizes[drawn])]


def _chosen_tree(
    names: list[str], gaps: dict[tuple[str, str], float], epsilon: float, rng: np.random.Generator
) -> list[tuple[str, str]]:
    """Pairs that join two parts, one after the other, by the exponential mechanism; sensitivity one."""
    part, tree = {name: name for name in names}, []
    while len(tree) < len(names) - 1:
        open_pairs = [pair for pair in gaps if part[pair[0]] != part[pair[1]]]
        scores = np.array([gaps[pair] for pair in open_pairs]) * epsilon / 2
        chosen = open_pairs[int(np.argmax(scores + rng.gumbel(size=len(scores))))]
        old, new = part[chosen[1]], part[chosen[0]]
        part = {name: new if mine == old else mine for name, mine in part.items()}
        tree.append(chosen)
    return tree


METHODS: dict[str, Callable[[Order], None]] = {
    "opendp-aim": opendp_aim,
    "opendp-mst": opendp_mst,
    "mbi-mst": mbi_mst,
    "dpmm-aim": dpmm_aim,
    "dpmm-mst": dpmm_mst,
}


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    METHODS[given["method"]](given)
    print(json.dumps({"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
