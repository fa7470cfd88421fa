from __future__ import annotations

import numpy as np
import pytest
from evaluation.people import SCHEMA, people

from dpsynth import Budget, Categorical, Integer, Ledger, Schema
from dpsynth.errors import ConfigurationError
from dpsynth.evaluation.accuracy import Classifier, PublishedAccuracy, check_target, countable, share_of_noisy
from dpsynth.evaluation.results import CONFIDENTIAL
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.schema.encode import encode_column
from dpsynth.session import PrivateTable, Session
from dpsynth.testing.insecure import insecure_noise

DOMAIN = SCHEMA.domain


def codes_of(frame) -> dict[str, np.ndarray]:
    return {column.name: encode_column(column, frame[column.name]) for column in SCHEMA.modelled}


def exact(classifier: Classifier, frame) -> float:
    hits, misses = classifier.query.answer(EncodedTable(DOMAIN, codes_of(frame), rows=len(frame)))
    return hits / (hits + misses)


def test_the_classifier_is_as_good_as_the_regression_that_it_rounds() -> None:
    from sklearn.linear_model import LogisticRegression

    train, test = (codes_of(people(rows, seed=seed)) for rows, seed in ((3000, 1), (2000, 2)))
    for target in ("class", "town"):  # two codes; three and missing values
        classifier = Classifier.of(train, SCHEMA, target)
        names = [name for name in DOMAIN.columns if name != target]
        ones = [
            np.concatenate([np.eye(DOMAIN.size_of(n))[part[n]] for n in names], axis=1)
            for part in (train, test)
        ]
        kept = np.arange(3000) % 5 > 0
        model = LogisticRegression(max_iter=200).fit(ones[0][kept], train[target][kept])
        expected = float((model.predict(ones[1]) == test[target]).mean())
        found = exact(classifier, people(2000, seed=2))
        assert found == pytest.approx(expected, abs=0.01)
        assert found > classifier.usual + 0.05
        assert classifier.synthetic == pytest.approx(found, abs=0.05)


def test_codes_that_no_synthetic_row_has_are_never_said() -> None:
    frame = people(400)
    frame = frame[frame["town"].isin(["east", "south"])]
    classifier = Classifier.of(codes_of(frame), SCHEMA, "town")
    (north,) = set(codes_of(people(50)[people(50)["town"] == "north"])["town"])
    for weights in classifier.query.weights:
        assert (weights[:, north] == -(2**31)).all()
    one = Classifier.of(codes_of(frame[frame["town"] == "east"]), SCHEMA, "town")
    assert one.usual == one.synthetic == 1.0
    assert exact(one, frame) == pytest.approx((frame["town"] == "east").mean())
    nothing = Classifier.of(codes_of(frame[:0]), SCHEMA, "town")
    assert np.isnan(nothing.synthetic)


def test_the_interval_holds_the_exact_accuracy() -> None:
    classifier = Classifier.of(codes_of(people(1000, seed=1)), SCHEMA, "class")
    holdout, inside = people(300, seed=2), 0
    truth = exact(classifier, holdout)
    for seed in range(60):
        with Ledger.in_memory() as ledger, insecure_noise(seed):
            session = Session.open(
                PrivateTable.load(holdout, SCHEMA),
                budget=Budget(epsilon=0.5, delta=1e-6),
                ledger=ledger,
                dataset="people",
            )
            result = session.run(PublishedAccuracy(classifier=classifier))
        assert result.disclosure == CONFIDENTIAL
        assert result.interval is not None
        assert result.interval[0] <= result.value <= result.interval[1]
        inside += result.interval[0] <= truth <= result.interval[1]
    assert inside >= 52


@pytest.mark.parametrize("share", [0.0, 0.3, 0.85, 1.0])
def test_the_interval_is_right_in_19_of_20_cases(share: float) -> None:
    """Also where noise is half as large as the counts; an interval that is a tenth shorter is caught."""
    rng = np.random.default_rng(0)
    for rows in (60, 1000):
        noisy = np.array([share, 1 - share]) * rows + rng.normal(0, 10, (20_000, 2))
        ends = np.array([share_of_noisy(*one, 10.0)[1] for one in noisy])
        inside = (ends[:, 0] <= share) & (share <= ends[:, 1])
        assert inside.mean() >= 0.945
        if 0 < share < 1 and rows == 1000:
            assert inside.mean() == pytest.approx(0.95, abs=0.006)


def test_where_noise_could_hide_all_rows_the_interval_is_everything() -> None:
    value, interval = share_of_noisy(3.0, 1.0, 10.0)
    assert (value, interval) == (0.75, (0.0, 1.0))
    value, interval = share_of_noisy(-3.0, 1.0, 10.0)
    assert np.isnan(value)
    assert interval == (0.0, 1.0)


def test_targets_that_cannot_be_counted_are_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="'height'"):
        check_target(SCHEMA, "height")
    with pytest.raises(ConfigurationError, match="other columns"):
        check_target(Schema(columns=SCHEMA.columns[:1]), "age")
    wide = Schema(
        columns=(
            Integer(name="age", minimum=0, maximum=99),
            Categorical(name="place", categories=tuple(f"p{i}" for i in range(200))),
        )
    )
    assert not countable(wide, "place")
    with pytest.raises(ConfigurationError, match="'place' has more than 100"):
        check_target(wide, "place")
