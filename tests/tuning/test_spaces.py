"""Spaces of settings: every draw is a configuration that its method takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.generators import registry
from dpsynth.tuning import LogRange, OneOf, Range, Space, space
from dpsynth.tuning.spaces import DEFAULTS


def test_every_built_in_method_has_a_space() -> None:
    assert set(DEFAULTS) == set(registry._GENERATORS)


@pytest.mark.parametrize("method", sorted(DEFAULTS))
def test_every_draw_is_a_configuration(method: str) -> None:
    rng, whole = np.random.default_rng(0), space(method)
    for _ in range(20):
        values = whole.draw(rng)
        generator: Any = whole.generator(values)
        assert generator.name == method
        for name, value in values.items():
            part = generator
            for step in name.split("."):
                part = getattr(part, step)
            assert part == value


def test_draws_stay_in_their_ranges() -> None:
    rng = np.random.default_rng(1)
    logs = [LogRange(low=1e-3, high=1.0).draw(rng) for _ in range(500)]
    assert all(1e-3 <= value <= 1.0 for value in logs)
    assert np.median(logs) == pytest.approx(10**-1.5, rel=0.4)
    assert {Range(low=1, high=3, whole=True).draw(rng) for _ in range(50)} == {1, 2, 3}
    assert all(2.0 <= Range(low=2.0, high=3.0).draw(rng) <= 3.0 for _ in range(50))
    assert {OneOf(values=("a", "b")).draw(rng) for _ in range(50)} == {"a", "b"}


def test_what_is_fixed_is_not_searched() -> None:
    held = space("mst", one_way_share=0.3)
    assert "one_way_share" not in held.parameters
    assert held.generator(held.draw(np.random.default_rng(0))).one_way_share == 0.3  # type: ignore[attr-defined]
    with pytest.raises(ConfigurationError, match="not both"):
        Space(method="mst", parameters=DEFAULTS["mst"], fixed={"one_way_share": 0.3})


def test_settings_that_do_not_go_together_are_drawn_again() -> None:
    shares = {"one_way_share": OneOf(values=(0.3, 0.9)), "select_share": OneOf(values=(0.3, 0.05))}
    wild, rng = Space(method="mst", parameters=shares), np.random.default_rng(0)
    drawn = [wild.valid(rng) for _ in range(20)]
    assert {tuple(values.values()) for values in drawn} == {(0.3, 0.3), (0.3, 0.05), (0.9, 0.05)}


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: OneOf(values=()),
        lambda: Range(low=1.0, high=1.0),
        lambda: LogRange(low=0.0, high=1.0),
        lambda: LogRange(low=2.0, high=1.0),
        lambda: space("no such method"),
        lambda: space("mst", colour="red"),
        lambda: Space(method="mst", parameters={"colour": OneOf(values=("red",))}),
        lambda: Space(method="dpvae", parameters={"schedule.colour": OneOf(values=("red",))}),
        lambda: Space(method="dpvae", parameters={"latent.colour": OneOf(values=("red",))}),
        lambda: Space(method="mst", parameters={"one_way_share": Range(low=2.0, high=3.0)}),
    ],
)
def test_impossible_spaces_are_refused(wrong: Any) -> None:
    with pytest.raises(ConfigurationError):
        wrong()
