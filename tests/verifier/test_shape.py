"""The form of certificates, against another validator."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from certified import Release
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpsynth.verifier.shape import ShapeError, certificate_schema, errors, known_keywords

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(-2, 2).filter(lambda x: not x.is_integer())
    | st.sampled_from(["", "gaussian/1", "declared", "0" * 64, "2026-01-01T00:00:00Z", "x" * 4001])
)
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.text(max_size=3), SCALARS, max_size=2)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """All paths inside a JSON value."""
    found = [path]
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        found += places(item, (*path, key))
    return found


def mutated(statement: dict[str, Any], path: tuple[Any, ...], how: str, value: Any) -> Any:
    """A copy in which what stands at `path` is replaced, removed, or gets a neighbour."""
    if not path:
        return value
    made = copy.deepcopy(statement)
    holder: Any = made
    for key in path[:-1]:
        holder = holder[key]
    if how == "replace":
        holder[path[-1]] = value
    elif how == "remove":
        del holder[path[-1]]
    elif isinstance(holder, dict):
        holder["unknown"] = value
    else:
        holder.append(value)
    return made


def test_the_certificate_of_the_tests_has_the_form(release: Release) -> None:
    assert errors(release.statement) == ()


@pytest.mark.slow
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutations_are_judged_as_by_another_validator(release: Release, data: st.DataObject) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    path = data.draw(st.sampled_from(places(release.statement)))
    how = data.draw(st.sampled_from(["replace", "remove", "add"]))
    statement = mutated(release.statement, path, how, data.draw(VALUES))
    reference = jsonschema.Draft202012Validator(certificate_schema())
    assert (errors(statement) == ()) == reference.is_valid(statement)


@pytest.mark.parametrize(
    ("path", "how", "value", "words"),
    [
        (("predicate", "claim", "epsilon"), "replace", "1", "/predicate/claim/epsilon: expected number"),
        (("predicate", "claim", "epsilon"), "replace", True, "/predicate/claim/epsilon: expected number"),
        (("predicate", "claim", "epsilon"), "remove", 0, "/predicate/claim: the field 'epsilon' is missing"),
        (("predicate", "claim", "delta"), "replace", 2, "/predicate/claim/delta: expected at most 1"),
        (("predicate", "title"), "add", 0, "/predicate/unknown: unknown field"),
        (("predicate", "noise", "exact"), "replace", False, "/predicate/noise/exact: expected true"),
        (("predicate", "noise", "exact"), "replace", 1, "/predicate/noise/exact: expected true"),
        (
            ("predicate", "plan", "digest"),
            "replace",
            "0" * 64 + "\n",
            "/predicate/plan/digest: does not match",
        ),
        (
            ("predicate", "plan", "events", 0, "event", "mu"),
            "replace",
            0,
            "/predicate/plan/events/0/event: matches none",
        ),
        (("predicate", "plan", "events", 0, "times"), "replace", 1.0, "times: expected integer"),
        (("subject", 0, "name"), "replace", "../data.csv", "/subject/0/name: does not match"),
        (("subject",), "replace", [], "/subject: expected a number of items of at least 1"),
        ((), "replace", [], "/: expected object"),
    ],
)
def test_a_departure_is_named_by_its_place(
    release: Release, path: tuple[Any, ...], how: str, value: Any, words: str
) -> None:
    assert any(words in error for error in errors(mutated(release.statement, path, how, value)))


def test_unknown_keywords_of_a_schema_are_refused() -> None:
    with pytest.raises(ShapeError, match="uniqueItems"):
        known_keywords({"type": "object", "properties": {"a": {"anyOf": [{"uniqueItems": True}]}}})
    for place in ({"items": {"if": {}}}, {"$defs": {"a": {"if": {}}}}, {"additionalProperties": {"if": {}}}):
        with pytest.raises(ShapeError, match="if"):
            errors({}, place)


def test_names_of_fields_are_told_as_pointers_and_long_ones_are_cut(release: Release) -> None:
    release.statement["a/b~" + "x" * 1000] = 1
    (error,) = errors(release.statement)
    assert error.startswith("/a~1b~0xxx")
    assert len(error) < 100


def test_many_errors_are_cut() -> None:
    assert len(errors({str(i): 1 for i in range(100)})) == 20
