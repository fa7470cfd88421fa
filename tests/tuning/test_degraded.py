"""What a smaller budget is told has the law of a fresh run, and never another draw from the rows."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dpsynth.errors import ReplayError
from dpsynth.generators.base import Generator
from dpsynth.generators.registry import get
from dpsynth.ledger import Ledger
from dpsynth.mechanisms import (
    ExponentialMechanism,
    GaussianMechanism,
    LaplaceMechanism,
    Marginal,
    MarginalGap,
    Measurement,
    Mechanism,
    MergedMarginal,
    NoisyScores,
    Total,
)
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.events import GaussianEvent
from dpsynth.schema.columns import Categorical
from dpsynth.schema.schema import Schema
from dpsynth.session import PrivateTable, Session, Transcript
from dpsynth.testing import insecure_noise
from dpsynth.tuning.degraded import Degraded, Fidelity

PAID, SMALLER = Budget(epsilon=4.0, delta=1e-6), Budget(epsilon=0.5, delta=1e-6)


def wide(codes: int = 3000) -> Schema:
    return Schema(
        columns=(Categorical(name="a", categories=tuple(f"c{i}" for i in range(codes)), required=True),)
    )


def recorded(
    schema: Schema, *mechanisms: GaussianMechanism, truth: float = 50.0, seed: int = 1
) -> Transcript:
    """A run over a table whose every cell holds `truth`, noise included."""
    rng = np.random.default_rng(seed)
    answers = []
    for mechanism in mechanisms:
        sigmas = mechanism.sigmas(schema.unit)
        sizes = [
            math.prod(q.shape) if isinstance(q, MergedMarginal) else schema.domain.cells(q.columns)
            for q in mechanism.queries
            if isinstance(q, Marginal)
        ]
        values = [
            np.rint(truth + sigma * rng.standard_normal(size)).astype(np.int64)
            for sigma, size in zip(sigmas, sizes, strict=True)
        ]
        answers.append(
            Measurement(
                mechanism=mechanism.describe(),
                event=mechanism.event(),
                values=tuple(values),
                sigmas=tuple(math.sqrt(sigma**2 + 1 / 12) for sigma in sigmas),
            )
        )
    return Transcript(schema=schema, budget=PAID, measurements=tuple(answers), tainted=False)


def asked(mu: float, *columns: str) -> GaussianMechanism:
    return GaussianMechanism(queries=(Marginal(columns=columns),), mus=(mu,))


def has_law(values: np.ndarray, sigma: float, truth: float = 50.0) -> bool:
    """Whether these are rounded normal numbers: a chi-squared test over the cells between quantiles."""
    edges = np.unique(np.rint(stats.norm(truth, sigma).ppf(np.linspace(0, 1, 21)[1:-1]))) + 0.5
    expected = np.diff(np.concatenate([[0.0], stats.norm(truth, sigma).cdf(edges), [1.0]])) * len(values)
    observed = np.bincount(np.searchsorted(edges, values), minlength=len(expected))
    return bool(stats.chisquare(observed, expected).pvalue > 1e-3)


@pytest.mark.parametrize(("larger", "smaller"), [(1.0, 0.05), (1.0, 0.8), (0.1, 0.04), (0.1, 0.0999)])
def test_answers_are_rounded_normal_numbers_of_the_fresh_variance(larger: float, smaller: float) -> None:
    schema = wide(20_000)
    degraded = Degraded(recorded(schema, asked(larger, "a")), SMALLER, np.random.default_rng(2))
    ((values, sigma),) = degraded.measure(asked(smaller, "a"))
    assert np.issubdtype(values.dtype, np.integer)
    fresh = 1 / smaller
    assert sigma == pytest.approx(math.sqrt(fresh**2 + 1 / 12))
    assert has_law(values, fresh)
    assert not has_law(values, 1.06 * fresh)
    assert degraded.fidelity.exact


def test_the_test_of_the_law_rejects_noise_that_ignores_what_was_recorded() -> None:
    schema, fresh = wide(20_000), 1.5
    transcript = recorded(schema, asked(1.0, "a"))
    wrong = transcript.measurements[0].values[0] + fresh * np.random.default_rng(2).standard_normal(20_000)
    assert not has_law(np.rint(wrong), fresh)


def test_a_table_that_is_asked_twice_has_fresh_noise_twice() -> None:
    schema = wide()
    degraded = Degraded(recorded(schema, asked(1.0, "a")), SMALLER, np.random.default_rng(3))
    (first, _), (second, _) = (next(iter(degraded.measure(asked(0.5, "a")))) for _ in range(2))
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / math.sqrt(len(first))
    assert degraded.fidelity == Fidelity(tables=2)


def test_more_precision_than_was_paid_is_never_claimed() -> None:
    schema = wide()
    degraded = Degraded(recorded(schema, asked(1.0, "a")), SMALLER, np.random.default_rng(4))
    ((values, sigma),) = degraded.measure(asked(2.0, "a"))
    assert sigma > 1.0
    assert has_law(values, 1.0)
    assert degraded.fidelity == Fidelity(tables=1, noisier=1)
    assert "noisier" in degraded.fidelity.in_words()
    degraded.measure(asked(0.5, "a"))  # nothing is left: the same noise again
    assert degraded.fidelity.noisier == 2


def test_coarser_buckets_are_sums_with_the_noise_of_a_fresh_table() -> None:
    schema = wide(30_000)
    groups = tuple(code // 3 for code in range(30_000))
    query = MergedMarginal(columns=("a",), groups=(groups,))
    degraded = Degraded(recorded(schema, asked(1.0, "a")), SMALLER, np.random.default_rng(5))
    ((values, _),) = degraded.measure(GaussianMechanism(queries=(query,), mus=(0.2,)))
    assert has_law(values, 5.0, truth=150.0)
    assert degraded.fidelity.exact


def test_columns_are_summed_out_only_where_nothing_else_says_it(schema: Schema) -> None:
    pairs = Marginal(columns=("colour", "member"))
    mechanism = GaussianMechanism(queries=(pairs, Marginal(columns=("member",))), mus=(1.0, 1.0))
    transcript = recorded(schema, mechanism)
    degraded = Degraded(transcript, SMALLER, np.random.default_rng(6))
    query = GaussianMechanism(queries=(Marginal(columns=("member", "colour")),), mus=(1e-9,))
    (values,) = (
        Degraded(transcript, SMALLER, np.random.default_rng(6)).measure(replace(query, mus=(0.99,))).values
    )
    table = transcript.measurements[0].values[0].reshape(schema.domain.shape(pairs.columns))
    assert np.abs(values - table.T.ravel()).max() <= 1  # the axes are turned, the noise is the recorded one
    (one, two) = (degraded.measure(asked(0.99, "member")).values[0] for _ in range(2))
    assert np.abs(one - transcript.measurements[0].values[1]).max() <= 1
    assert np.abs(two - table.sum(axis=0)).max() <= 1  # nothing is left of the column itself
    total = degraded.measure(GaussianMechanism(queries=(Total(),), mus=(0.1,)))
    assert abs(float(total.values[0][0]) - table.sum()) < 200
    with pytest.raises(ReplayError, match="no table of"):
        degraded.measure(asked(0.1, "age"))


def test_choices_and_scores_are_those_of_the_paid_run(schema: Schema) -> None:
    cliques = (("colour",), ("member",), ("age",))
    sizes = [schema.domain.cells(clique) for clique in cliques]
    score = MarginalGap(cliques=cliques, estimates=tuple(np.zeros(size, np.int64) for size in sizes))
    choice, scores = ExponentialMechanism(score=score, epsilon=1.0), NoisyScores(score=score, mu=1.0)
    kept = [
        Measurement(
            mechanism=choice.describe(), event=choice.event(), values=(np.array([1]),), sigmas=(0.0,)
        ),
        Measurement(
            mechanism=scores.describe(), event=scores.event(), values=(np.array([5, 6, 7]),), sigmas=(2.0,)
        ),
    ]
    counted = recorded(schema, asked(1.0, "colour"), asked(1.0, "member"))
    transcript = replace(counted, measurements=(*counted.measurements, *kept))
    degraded = Degraded(transcript, SMALLER, np.random.default_rng(7))
    assert degraded.select(replace(choice, epsilon=0.1)) == 1
    (noisy,), (sigma,) = (answer := degraded.measure(replace(scores, mu=0.1))).values, answer.sigmas
    assert answer.event == GaussianEvent(mu=0.1)
    assert sigma > 10 / 1.0
    assert noisy[2] < noisy[:2].min()  # the paid run did not count it
    assert degraded.fidelity == Fidelity(frozen=2)
    with pytest.raises(ReplayError, match="less often"):
        degraded.select(choice)
    with pytest.raises(ReplayError, match="other candidates"):
        degraded.measure(scores)
    others = MarginalGap(cliques=(("age",), ("member",)), estimates=score.estimates[1:][::-1])
    again = Degraded(transcript, SMALLER, np.random.default_rng(8))
    assert again.select(ExponentialMechanism(score=others, epsilon=1.0)) == 1  # the same columns, elsewhere


def test_what_has_no_answer_is_refused(schema: Schema) -> None:
    degraded = Degraded(recorded(schema, asked(1.0, "colour")), SMALLER, np.random.default_rng(9))
    with pytest.raises(ReplayError, match="LaplaceMechanism has no answer"):
        degraded.measure(LaplaceMechanism(queries=(Marginal(columns=("colour",)),), epsilons=(1.0,)))


def paid(generator: Generator, schema: Schema, frame: pd.DataFrame, seed: int) -> Transcript:
    with insecure_noise(seed), Ledger.in_memory() as ledger:
        table = PrivateTable.load(frame, schema)
        session = Session.open(table, budget=PAID, ledger=ledger, dataset="people")
        session.run(generator)
        return session.transcript


@pytest.mark.parametrize("method", ["independent", "mst", "allpairs", "privbayes"])
def test_methods_are_fitted_at_a_smaller_budget(method: str, schema: Schema, frame: pd.DataFrame) -> None:
    generator = get(method)
    transcript = paid(generator, schema, frame, 11)
    degraded = Degraded(transcript, SMALLER, np.random.default_rng(12))
    model = generator.fit(degraded, rng=0)
    assert degraded.schema == schema
    assert degraded.budget == SMALLER
    codes = model.sample_codes(10, np.random.default_rng(0))
    assert set(codes) == set(schema.domain.columns)
    assert degraded.fidelity.tables >= len(schema.domain.columns)
    assert (degraded.fidelity.frozen > 0) == (method in {"mst", "privbayes"})


def test_the_tree_of_mst_is_that_of_the_paid_run(schema: Schema, frame: pd.DataFrame) -> None:
    generator = get("mst")
    transcript = paid(generator, schema, frame, 13)

    def edges(measured: Transcript) -> list[list[str]]:
        return [query["columns"] for query in measured.measurements[-1].mechanism["queries"]]

    asked_pairs: list[list[str]] = []

    class Listening(Degraded):
        def measure(self, mechanism: Mechanism) -> Measurement:
            answer = super().measure(mechanism)
            asked_pairs[:] = [query["columns"] for query in answer.mechanism.get("queries", [])]
            return answer

    generator.fit(Listening(transcript, SMALLER, np.random.default_rng(14)), rng=0)
    assert asked_pairs == edges(transcript)


def test_degraded_and_fresh_answers_of_real_runs_have_one_law() -> None:
    schema = wide(4000)
    frame = pd.DataFrame({"a": [f"c{i % 4000}" for i in range(8000)]})
    generator = get("independent")

    def noise(budget: Budget, seed: int) -> tuple[Transcript, np.ndarray]:
        with insecure_noise(seed), Ledger.in_memory() as ledger:
            session = Session.open(
                PrivateTable.load(frame, schema), budget=budget, ledger=ledger, dataset="people"
            )
            session.run(generator)
            return session.transcript, session.transcript.measurements[0].values[0] - 2

    transcript, larger = noise(PAID, 21)
    _, fresh = noise(SMALLER, 22)
    kept: list[np.ndarray] = []

    class Listening(Degraded):
        def measure(self, mechanism: Mechanism) -> Measurement:
            answer = super().measure(mechanism)
            kept.append(answer.values[0] - 2)
            return answer

    generator.fit(Listening(transcript, SMALLER, np.random.default_rng(23)), rng=0)
    assert stats.ks_2samp(kept[0], fresh).pvalue > 1e-3
    assert stats.ks_2samp(1.08 * kept[0], fresh).pvalue < 1e-3  # a wrong variance would be seen
    assert stats.ks_2samp(larger, fresh).pvalue < 1e-3
    assert np.corrcoef(kept[0], larger)[0, 1] > 0.02  # made of the paid answers, not of a second draw
