"""P21: whatever stands in a schema, a guarantee, evidence or a model file, it is read or refused in words."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from promises import promise

from dpsynth import Budget, Ledger, PrivateTable, Schema, Session
from dpsynth._archive import read_archive, write_archive
from dpsynth.auditing.evidence import Check, Claim, Evidence
from dpsynth.errors import DpsynthError
from dpsynth.generators import FittedModel, get
from dpsynth.generators.store import _KIND
from dpsynth.privacy.events import ComposedEvent, ExponentialEvent, GaussianEvent, RepeatedEvent
from dpsynth.session import Guarantee
from dpsynth.testing.cases import cases

_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(
        ["categorical", "gaussian/1", "zcdp/1", "age", "colour", "../../x", "os:system", "1e999"]
    ),
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
_FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@st.composite
def changes(draw: st.DrawFn) -> Any:
    """A change of one place of a JSON document: another value, none, or one more field."""
    path = draw(st.lists(st.integers(0, 10**6), min_size=1, max_size=8))
    return path, draw(st.sampled_from(["replace", "remove", "add"])), draw(_VALUES)


def changed(document: Any, change: Any) -> Any:
    path, how, value = change
    found = copy.deepcopy(document)
    place = found
    for step in path:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return found
        key, last = keys[step % len(keys)], place
        place = last[key]
        if not isinstance(place, dict | list):
            break
    if how == "add":
        last["surprise" if isinstance(last, dict) else 0] = value
    elif how == "remove":
        del last[key]
    else:
        last[key] = value
    return found


SCHEMAS = [case.schema.to_json() for case in cases()]
PROMISE = promise(
    GaussianEvent(mu=0.05),
    RepeatedEvent(event=ExponentialEvent(epsilon=0.01), times=3),
    ComposedEvent(events=(GaussianEvent(mu=0.01), ExponentialEvent(epsilon=0.02))),
).to_json()
EVIDENCE = Evidence(
    audit="structural/1",
    level="structural",
    method="mst",
    configuration="0" * 64,
    threat_model="all",
    claim=Claim(epsilon=1.0, delta=1e-6),
    runs=3,
    checks=(Check(name="plan", passed=True, detail=""),),
).to_json()


@given(st.sampled_from(SCHEMAS), changes())
@_FUZZ
def test_schemas(document: Any, change: Any) -> None:
    try:
        found = Schema.from_json(changed(document, change))
    except DpsynthError:
        return
    assert Schema.from_json(json.loads(json.dumps(found.to_json()))) == found


@given(_VALUES)
@_FUZZ
def test_documents_of_anything(document: Any) -> None:
    for read in (Schema.from_json, Guarantee.from_json, Evidence.from_json):
        with pytest.raises(DpsynthError):
            read(document)


@given(changes())
@example(([list(PROMISE).index("committed"), list(PROMISE["committed"]).index("adaptive")], "replace", []))
@_FUZZ
def test_guarantees(change: Any) -> None:
    try:
        found = Guarantee.from_json(changed(PROMISE, change))
    except DpsynthError:
        return
    assert found.holds()


@given(changes())
@_FUZZ
def test_evidence(change: Any) -> None:
    try:
        found = Evidence.from_json(changed(EVIDENCE, change))
    except DpsynthError:
        return
    assert found.passed


@pytest.fixture(
    scope="module",
    params=[
        "independent",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("allpairs", "privbayes", "mst")),
    ],
)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    case = cases()[0]
    with Ledger.in_memory() as ledger:
        session = Session.open(
            PrivateTable.load(case.frame, case.schema),
            budget=Budget(epsilon=2.0, delta=1e-6),
            ledger=ledger,
            dataset="people",
        )
        made = session.run(get(request.param), rng=1)
        path = tmp_path_factory.mktemp("model") / "model.dps"
        FittedModel(model=made, guarantee=session.guarantee(), transcript=session.transcript).save(path)
    return path


@given(changes())
@_FUZZ
def test_models(model: Path, change: Any) -> None:
    header, arrays = read_archive(model, kind=_KIND)
    path = model.with_name("changed.dps")
    write_archive(path, kind=_KIND, header=changed(header, change), arrays=arrays)
    read_or_refused(path)


@given(st.data())
@_FUZZ
def test_arrays_of_models(model: Path, data: st.DataObject) -> None:
    header, arrays = read_archive(model, kind=_KIND)
    name = data.draw(st.sampled_from(sorted(arrays)))
    array = arrays[name]
    forms = [
        array[:-1] if array.ndim and len(array) else array.ravel(),
        np.zeros(0, array.dtype),
        np.full_like(array, -1) if array.dtype.kind in "if" else array[::-1],
        array.astype(np.float64) * np.nan,
        array.ravel()[None, :],
        np.array(["text"]),
    ]
    path = model.with_name("changed.dps")
    write_archive(path, kind=_KIND, header=header, arrays=arrays | {name: data.draw(st.sampled_from(forms))})
    read_or_refused(path)


def read_or_refused(path: Path) -> None:
    """A model that can be read draws rows of its schema."""
    try:
        found = FittedModel.load(path)
        frame = found.sample(3, rng=1).frame
    except DpsynthError:
        return
    assert isinstance(frame, pd.DataFrame)
    assert len(frame) == 3
