"""Is it useful: do models and counts from synthetic rows serve as those from real rows do?"""

from __future__ import annotations

import numpy as np

from dpsynth.evaluation.direct import direct
from dpsynth.evaluation.importance import Models, agreement, importance
from dpsynth.evaluation.learners import Fitted, families, fit
from dpsynth.evaluation.queries import queries
from dpsynth.evaluation.results import Part, Result
from dpsynth.evaluation.scoring import interval, score, trivial
from dpsynth.evaluation.splits import Split, Target, cut, split
from dpsynth.evaluation.tables import Rows, Tables, generator

__all__ = ["train_and_test", "utility"]


def utility(
    tables: Tables, *, target: str | None, epsilon: float | None = None, quick: bool = False
) -> tuple[Result, ...]:
    """All results on utility, in the order in which they are shown.

    Args:
        tables: Real, synthetic and, if there are any, holdout rows.
        target: The column that models predict; None for counts only.
        epsilon: Of the release: adds what a private model without a table gets. None leaves that out.
        quick: Smaller models, fewer queries, and no tests on synthetic rows.

    Raises:
        DataError: The schema models no column `target`.
        ConfigurationError: An epsilon that is not positive.
        MissingExtraError: The extra `eval` is not installed.
    """
    asked = queries(tables, quick=quick)
    if target is None:
        return asked
    aim, rows = Target.of(tables, target), split(tables)
    results: list[Result] = []
    trained: dict[str, dict[str, Fitted]] = {}
    for family in families(aim):
        result, trained[family] = train_and_test(tables, aim, rows, family, quick=quick)
        results.append(result)
    if epsilon is not None:
        results += direct(tables, aim, rows, epsilon=epsilon, quick=quick)
    models = Models.of(tables, aim, rows, trained["gradient_boosting"], quick=quick)
    return (*results, *agreement(tables, models), importance(tables, models, quick=quick), *asked)


def train_and_test(
    tables: Tables, target: Target, rows: Split, family: str, *, quick: bool = False
) -> tuple[Result, dict[str, Fitted]]:
    """Train on synthetic rows, test on real ones that no model has seen (TSTR; Esteban and others 2017).

    The score is ROC AUC for two classes, the mean of one-versus-rest AUCs for more, R^2 for numbers. Ceiling:
    the same model, trained on real rows. Floor: the model that says the same of everybody. Parts: all four
    corners, named by what trains and what tests; a model that does well on synthetic test rows and badly on
    real ones has learnt what the generator made up. The interval is that of other test rows.

    Returns:
        The result, and the models that were trained on `real` and on `synthetic` rows.
    """
    trained = {
        "real": fit(tables, target, family, rows.train, quick=quick),
        "synthetic": fit(tables, target, family, tables.synthetic, quick=quick),
    }
    test = target.known(rows.test)
    truth = target.values(test)
    predicted = trained["synthetic"].scores(test)
    corners = {
        ("train synthetic", "test real"): float(score(target, predicted, truth)[0]),
        ("train real", "test real"): _score(target, trained["real"], test),
    }
    if not quick:
        first, second = cut(tables.synthetic, generator(tables, "synthetic test rows"))
        second = target.known(second)
        corners["train real", "test synthetic"] = _score(target, trained["real"], second)
        own = fit(tables, target, family, first, quick=quick)
        corners["train synthetic", "test synthetic"] = _score(target, own, second)
    value = corners["train synthetic", "test real"]
    measure = "R^2" if target.classes is None else "ROC AUC"
    result = Result(
        name=f"tstr_{family}",
        family="utility",
        title=f"{family.replace('_', ' ').capitalize()}: train on synthetic, test on real ({measure})",
        value=value,
        ceiling=corners["train real", "test real"],
        floor=trivial(target, target.values(target.known(rows.train)), truth),
        interval=interval(target, predicted, truth, generator(tables, "resampled test rows")),
        better="higher",
        rows=len(test),
        seed=tables.seed,
        note=_note(tables, target, rows, value),
        parts=tuple(
            Part(label=label, value=one)
            for label, one in sorted(corners.items(), key=lambda item: (np.nan_to_num(item[1]), item[0]))
        ),
    )
    return result, trained


def _score(target: Target, model: Fitted, rows: Rows) -> float:
    return float(score(target, model.scores(rows), target.values(rows))[0])


def _note(tables: Tables, target: Target, rows: Split, value: float) -> str:
    told = []
    if np.isnan(value):
        told.append("The test rows have one class, or one value, of the target only.")
    synthetic = target.values(target.known(tables.synthetic))
    if len(np.unique(synthetic)) < 2:
        told.append(
            "The synthetic rows have one value of the target only: nothing is to be learnt from them."
        )
    return " ".join([*told, *filter(None, (target.note, rows.note))])
