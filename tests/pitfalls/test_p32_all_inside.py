"""P32: part of a network sees the data outside clipping: encoders, conditional vectors, label counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from mechanisms.deep import (
    AUTOENCODER,
    CRITIC,
    DOMAIN,
    Plain,
    asked,
    moved_by,
    noised_by,
    quieten,
    recorded,
    table_of,
)

from dpsynth.mechanisms import dp_sgd
from dpsynth.mechanisms._clipped_sum import DRIFT, views
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.privacy.unit import Unit

NETWORKS = pytest.mark.parametrize("network", [CRITIC, AUTOENCODER], ids=["critic", "autoencoder"])
CLIP, BATCH = 1e-3, 2.0


def mechanism(network: Any, engine: str = "fused") -> Any:
    return asked(network, steps=1, sampling_rate=1.0, clip=CLIP, batch=BATCH, engine=engine)


def inside(monkeypatch: pytest.MonkeyPatch, network: Any, engine: str = "fused") -> bool:
    """Whether a row moves the gradient, over all parameters, by no more than the noise is made for."""
    quieten(monkeypatch)
    (without,) = moved_by(monkeypatch, mechanism(network, engine), table_of(0))
    limit = CLIP * (1 + DRIFT) / BATCH
    for row in range(4):
        codes = {name: np.array([row % DOMAIN.size_of(name)]) for name in DOMAIN.columns}
        (found,) = moved_by(monkeypatch, mechanism(network, engine), EncodedTable(DOMAIN, codes, rows=1))
        if not 0 < np.linalg.norm(found - without) <= limit:
            return False
    return True


@NETWORKS
@pytest.mark.parametrize("engine", ["fused", "opacus"])
def test_a_row_moves_the_whole_network_within_the_clip(monkeypatch, network, engine: str) -> None:
    assert inside(monkeypatch, network, engine)


@NETWORKS
def test_a_part_outside_is_caught(monkeypatch: pytest.MonkeyPatch, network) -> None:
    gradient = dp_sgd._Training._gradient

    def twin(training: Any, noised: np.ndarray, step: int) -> Any:
        """The broken twin: the first layer follows the true gradient."""
        found = gradient(training, noised, step)
        codes = torch.from_numpy(training._codes.astype(np.int64))
        noise = torch.zeros((len(codes), network.noise_size))
        leaf = training._parameters.clone().requires_grad_()
        losses = network.losses(Plain(network, DOMAIN, leaf), DOMAIN, codes, noise)
        (own,) = torch.autograd.grad(losses.sum(), leaf)
        first = network.layers(DOMAIN)[0].size
        return torch.cat([own[:first] / BATCH, found[first:]])

    monkeypatch.setattr(dp_sgd._Training, "_gradient", twin)
    assert not inside(monkeypatch, network)


def test_label_counts_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    start = dp_sgd._Training.__init__

    def twin(training: Any, *args: Any) -> None:
        """The broken twin: the bias begins at the true frequencies."""
        start(training, *args)
        training._parameters[-1] += len(training._codes)

    monkeypatch.setattr(dp_sgd._Training, "__init__", twin)
    quieten(monkeypatch)
    recorded(monkeypatch)  # sums of zero
    one, other = (mechanism(CRITIC).run(table_of(rows), Unit()).values[0] for rows in (5, 6))
    assert (one != other).any()


@NETWORKS
def test_without_the_sums_the_table_has_no_influence(monkeypatch: pytest.MonkeyPatch, network) -> None:
    quieten(monkeypatch)
    recorded(monkeypatch)  # sums of zero
    runs = [mechanism(network).run(table_of(rows, seed=rows), Unit()).values for rows in (0, 7, 300)]
    for values in runs[1:]:
        assert all(np.array_equal(left, right) for left, right in zip(runs[0], values, strict=True))


@NETWORKS
def test_without_rows_the_gradient_of_every_parameter_is_exactly_the_noise(monkeypatch, network) -> None:
    drawn: list[np.ndarray] = []

    def noise(_: float, size: int) -> np.ndarray:
        drawn.append(np.arange(1, size + 1, dtype=np.int64) << 12)
        return drawn[-1]

    monkeypatch.setattr(dp_sgd, "rounded_gaussian", noise)
    asked_for = asked(network, steps=1, clip=CLIP, batch=BATCH)
    (noised,) = noised_by(monkeypatch, asked_for, table_of(0))
    np.testing.assert_array_equal(noised, drawn[0])
    (moved,) = moved_by(monkeypatch, asked_for, table_of(0))
    np.testing.assert_array_equal(moved, (drawn[0] * (CLIP * 2.0**-28 / BATCH)).astype(np.float32))
    matrices = views(network.layers(DOMAIN), torch.from_numpy(moved))
    assert set(matrices) == {layer.name for layer in network.layers(DOMAIN)}
    assert all(bool((matrix != 0).all()) for matrix in matrices.values())
