from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dpsynth import synthesize
from dpsynth.errors import ConfigurationError
from dpsynth.evaluation.results import PUBLIC
from dpsynth.ledger import Ledger
from dpsynth.schema.schema import Schema
from dpsynth.testing import insecure_noise
from dpsynth.tuning import proxy, runs

_SETTINGS: dict[str, Any] = {"methods": "independent,mst", "epsilons": [10.0, 0.1], "delta": 1e-6}


def test_bands_lie_between_their_yardsticks(frame: pd.DataFrame, schema: Schema) -> None:
    with insecure_noise(1):
        found = proxy(frame, schema, replicates=3, protected=["colour"], **_SETTINGS)
    assert (found.cost.epsilon, found.cost.accounted, found.disclosure) == (0.0, True, PUBLIC)
    low, high = found.of("mst")
    assert (low.epsilon, high.epsilon, low.replicates) == (0.1, 10.0, 3)
    for metric in ("k_marginal", "pair_accuracy"):
        assert low.utility[metric].high < high.utility[metric].low
        assert high.utility[metric].low <= high.utility[metric].median <= high.utility[metric].high
        assert found.floor[metric] < found.ceiling[metric]
    assert high.worst_group is not None
    assert high.worst_group.median < high.utility["pair_accuracy"].median
    assert (low.equivalent_subsample or 0) < (high.equivalent_subsample or 0)
    assert (low.smallest_reliable_group or 0) > (high.smallest_reliable_group or 0)
    assert low.advantage < high.advantage


def test_with_a_target_models_are_trained_beside_a_direct_one(frame: pd.DataFrame, schema: Schema) -> None:
    with insecure_noise(2):
        found = proxy(
            frame,
            schema,
            methods="mst",
            epsilons=[5.0],
            delta=1e-6,
            replicates=1,
            metric="tstr",
            target="member",
        )
    assert found.metric == "tstr"
    assert 0 <= found.points[0].utility["tstr"].median <= 1
    assert found.floor["tstr"] == 0.5
    assert set(found.direct) == {5.0}


def test_a_finished_frontier_is_kept(
    frame: pd.DataFrame, schema: Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = proxy(frame, schema, replicates=1, cache=tmp_path, **_SETTINGS)
    monkeypatch.setattr(runs, "_one", lambda *_: pytest.fail("a run was made again"))
    assert proxy(frame, schema, replicates=1, cache=tmp_path, **_SETTINGS) == first
    other = proxy(frame, schema, replicates=1, cache=tmp_path, metric="pair_accuracy", **_SETTINGS)
    assert other.metric == "pair_accuracy"


def test_rows_of_a_release_keep_their_class(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    made = synthesize(frame, schema=schema, epsilon=3.0, delta=1e-6, method="independent", ledger=ledger)
    found = proxy(made, schema, methods="independent", epsilons=[1.0], delta=1e-6, replicates=1)
    assert found.disclosure.kind == "dp"
    assert found.disclosure.epsilon == made.guarantee.epsilon
    assert "earlier release" in found.cost.words
    with insecure_noise(3):
        tainted = synthesize(
            frame, schema=schema, epsilon=3.0, delta=1e-6, method="independent", ledger=ledger
        )
    found = proxy(tainted, schema, methods="independent", epsilons=[1.0], delta=1e-6, replicates=1)
    assert found.disclosure.kind == "confidential"


@pytest.mark.parametrize("wrong", [{"metric": "tstr"}, {"replicates": 0}, {"workers": 0}, {"epsilons": []}])
def test_arguments_without_sense_are_refused(
    frame: pd.DataFrame, schema: Schema, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError):
        proxy(frame, schema, **{**_SETTINGS, **wrong})
