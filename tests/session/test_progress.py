from __future__ import annotations

import pandas as pd
import pytest
from session.trains import Trains, open_session

from dpsynth.generators.aim import AIM
from dpsynth.generators.mst import MST
from dpsynth.ledger import Ledger
from dpsynth.privacy.accountant import price
from dpsynth.privacy.events import GaussianEvent, PoissonGaussianEvent
from dpsynth.schema.schema import Schema
from dpsynth.session import Progress


@pytest.mark.parametrize("generator", [Trains(), MST()], ids=["training", "mst"])
def test_the_cost_so_far_grows_to_the_price(
    generator: object, frame: pd.DataFrame, schema: Schema, ledger: Ledger
) -> None:
    seen: list[Progress] = []
    session = open_session(frame, schema, ledger)
    session.run(generator, progress=seen.append)  # type: ignore[arg-type]
    guarantee = session.guarantee()
    costs = [step.epsilon for step in seen]
    assert costs == sorted(costs)
    assert 0 < costs[0] < costs[-1] == guarantee.epsilon
    assert {step.reserved for step in seen} == {guarantee.epsilon}
    for step in seen:  # an upper bound on what these events cost
        assert step.epsilon >= price(guarantee.events[: step.done], delta=guarantee.delta).epsilon * (
            1 - 1e-9
        )


def test_an_adaptive_run_has_cost_its_whole_from_the_start(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger
) -> None:
    seen: list[Progress] = []
    open_session(frame, schema, ledger).run(AIM(), progress=seen.append)
    assert {step.epsilon for step in seen} == {seen[0].reserved}


def test_never_more_than_the_whole() -> None:
    whole = price([GaussianEvent(mu=0.1)], delta=1e-6)
    after = Progress.after([GaussianEvent(mu=1.0)], "a", steps=2, whole=whole, adaptive=False)
    assert after.epsilon == after.reserved == whole.epsilon
    strange = PoissonGaussianEvent(sampling_rate=0.5, noise_multiplier=1e-6, steps=10**6)
    unknown = Progress.after([strange], "a", steps=2, whole=whole, adaptive=False)
    assert unknown.epsilon == whole.epsilon
