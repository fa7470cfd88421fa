"""An evaluation for the tests of pages."""

from __future__ import annotations

import itertools

from dpsynth.evaluation.results import PUBLIC, Disclosure, Evaluation, Part, Result

COLUMNS = ("age", "income", "town <b>", "class")


def evaluation(title: str = "people", *, tvd2: float = 0.05, publishable: bool = False) -> Evaluation:
    """Results of every family, with parts, gaps and hostile names."""
    pairs = tuple(
        Part(label=pair, value=0.01 * i, ceiling=0.01, floor=0.2)
        for i, pair in enumerate(itertools.combinations(COLUMNS, 2), 1)
    )[::-1]
    fidelity = Result(
        name="tvd2",
        family="fidelity",
        title="Distance of pairs",
        value=tvd2,
        ceiling=0.02,
        floor=0.3,
        interval=(tvd2 - 0.01, tvd2 + 0.01),
        note="Half the sum of differences & more.",
        parts=pairs,
    )
    weak = Result(
        name="associations",
        family="fidelity",
        title="Associations",
        value=0.25,
        ceiling=0.02,
        floor=0.3,
    )
    undefined = Result(
        name="tstr_logistic", family="utility", title="Learners", value=float("nan"), better="higher"
    )
    public = Result(
        name="certified_advantage",
        family="privacy",
        title="Largest advantage",
        value=0.4621,
        disclosure=PUBLIC,
    )
    paid = Result(
        name="share",
        family="bias",
        title="Share",
        value=0.3,
        better="neither",
        disclosure=Disclosure(kind="dp", epsilon=0.1, delta=1e-9),
        parts=(Part(label=("north",), value=0.3, ceiling=0.31),),
    )
    results = (fidelity, weak, undefined, public, paid)
    made = Evaluation(title=title, facts={"real rows": 10, "mode": "full"}, results=results)
    return made.publishable() if publishable else made
