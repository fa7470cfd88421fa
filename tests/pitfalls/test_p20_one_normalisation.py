"""P20: an event is normalised once, by its mechanism; no accountant gets a relation to interpret."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import dp_accounting
import pytest
from dp_accounting.pld import PLDAccountant
from dp_accounting.rdp import RdpAccountant

from dpsynth import privacy
from dpsynth.privacy import Event, GaussianEvent, price

ENGINES = [
    path for path in Path(privacy.__file__).parent.glob("*.py") if path.name not in {"unit.py", "__init__.py"}
]


def test_the_trap_is_real() -> None:
    """One event, one relation, two accountants of one package: the prices differ by a factor of two."""
    event = dp_accounting.GaussianDpEvent(1.0)
    relation = dp_accounting.NeighboringRelation.REPLACE_ONE
    renyi = RdpAccountant(neighboring_relation=relation).compose(event).get_epsilon(1e-5)
    losses = PLDAccountant(neighboring_relation=relation).compose(event).get_epsilon(1e-5)
    assert losses > 2 * renyi


def kinds(base: type[Event]) -> Iterator[type[Event]]:
    for kind in base.__subclasses__():
        yield kind
        yield from kinds(kind)


def test_no_event_carries_a_relation_or_a_sensitivity() -> None:
    names = {
        field.name
        for kind in kinds(Event)
        if kind.__module__.startswith("dpsynth.")
        for field in fields(kind)
    }
    assert {"mu", "epsilon", "rho"} < names
    assert not names & {"relation", "sensitivity", "unit", "l1", "l2", "sigma"}


@pytest.mark.parametrize("path", ENGINES, ids=lambda path: path.name)
def test_no_relation_reaches_an_engine(path: Path) -> None:
    tree = ast.parse(path.read_text())
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.arg for node in ast.walk(tree) if isinstance(node, (ast.arg, ast.keyword)) and node.arg}
    names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not {name for name in names if "relation" in name.lower() or "neighbo" in name.lower()}
    assert not {name for name in names if name in {"Unit", "sensitivity"}}


def test_all_engines_agree_on_what_a_normalised_gaussian_costs() -> None:
    """sqrt(2)/sigma under replace-one or 1/sigma under add/remove: an equal mu has an equal price everywhere."""
    cost = price([GaussianEvent(mu=1.0)], delta=1e-5, thorough=True)
    found = dict(cost.candidates)
    native = PLDAccountant().compose(dp_accounting.GaussianDpEvent(1.0)).get_epsilon(1e-5)
    assert found["gdp"] == pytest.approx(found["pld"], rel=1e-3)
    assert found["gdp"] == pytest.approx(native, rel=1e-3)
    assert found["gdp"] < found["zcdp"] < 1.15 * found["gdp"]
