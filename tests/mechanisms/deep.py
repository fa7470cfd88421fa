"""Small networks, batches and gradients by brute force for the tests of private training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from dpsynth.mechanisms import Autoencoder, Critic, DpSgd, Network, TrainingState, dp_sgd, parameter_count
from dpsynth.mechanisms._clipped_sum import GRID_BITS, views
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.privacy.unit import Unit
from dpsynth.schema.layout import Domain

DOMAIN = Domain(columns=("a", "b", "c"), sizes=(2, 3, 4))
CRITIC = Critic(hidden=(5,))
AUTOENCODER = Autoencoder(hidden=(5,), latent=2)
STEP = 2.0**-GRID_BITS
NUMBERED = Domain(columns=("row", "b"), sizes=(1000, 2))
"""Its first code tells which row it is."""


def parameters_of(network: Network, domain: Domain, *, seed: int = 0, size: float = 0.5) -> torch.Tensor:
    count = parameter_count(network, domain)
    return torch.from_numpy(np.random.default_rng(seed).normal(0, size, count).astype(np.float32))


def batch_of(
    network: Network, domain: Domain, rows: int, *, seed: int = 1
) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes that are numbered over all columns, and noise for the losses."""
    rng = np.random.default_rng(seed)
    offsets = np.cumsum([0, *domain.sizes[:-1]])
    codes = np.stack([rng.integers(0, size, rows) for size in domain.sizes], axis=1) + offsets
    noise = rng.standard_normal((rows, network.noise_size)).astype(np.float32)
    return torch.from_numpy(codes.astype(np.int64)), torch.from_numpy(noise)


class Plain:
    """The layers written out in one line each."""

    def __init__(self, network: Network, domain: Domain, parameters: torch.Tensor) -> None:
        self.layers = {layer.name: layer for layer in network.layers(domain)}
        self.matrices = views(network.layers(domain), parameters)

    def apply(self, name: str, inputs: Any) -> Any:
        matrix = self.matrices[name]
        if self.layers[name].embedding:
            return matrix[:-1][inputs].sum(1) + matrix[-1]
        return inputs @ matrix[:-1] + matrix[-1]


def losses_of(
    network: Network,
    domain: Domain,
    parameters: torch.Tensor,
    codes: torch.Tensor,
    noise: torch.Tensor,
    *,
    public: bool = False,
) -> torch.Tensor:
    losses = network.public_losses if public else network.losses
    return losses(Plain(network, domain, parameters), domain, codes, noise)


def gradients_of(
    network: Network,
    domain: Domain,
    parameters: torch.Tensor,
    codes: torch.Tensor,
    noise: torch.Tensor,
    *,
    public: bool = False,
) -> np.ndarray:
    """One gradient for each row, by one backward pass for each, in double precision."""
    found = []
    for row in range(len(codes)):
        leaf = parameters.double().requires_grad_()
        one = slice(row, row + 1)
        loss = losses_of(network, domain, leaf, codes[one], noise[one].double(), public=public)
        found.append(torch.autograd.grad(loss.sum(), leaf)[0].numpy())
    return np.array(found).reshape(len(codes), len(parameters))


def clipped(gradients: np.ndarray, clip: float) -> np.ndarray:
    norms = np.linalg.norm(gradients, axis=1)
    return gradients * np.minimum(1.0, clip / np.maximum(norms, 1e-300))[:, None]


def asked(network: Network = CRITIC, domain: Domain = DOMAIN, **more: Any) -> DpSgd:
    """A small training; `more` replaces what it is asked."""
    start = TrainingState.fresh(parameters_of(network, domain).numpy())
    plain = {
        "start": start,
        "steps": 3,
        "sampling_rate": 0.25,
        "noise_multiplier": 1.0,
        "batch": 50.0,
        "public": np.zeros((0, len(domain.sizes)), np.int64),
    }
    return DpSgd(network=network, **(plain | more))


def table_of(rows: int, domain: Domain = DOMAIN, *, seed: int = 3) -> EncodedTable:
    rng = np.random.default_rng(seed)
    codes = {name: rng.integers(0, domain.size_of(name), rows) for name in domain.columns}
    return EncodedTable(domain, codes, rows=rows)


def numbered(rows: int = 1000) -> EncodedTable:
    return EncodedTable(NUMBERED, {"row": np.arange(rows), "b": np.zeros(rows, np.int64)}, rows=rows)


def recorded(monkeypatch: pytest.MonkeyPatch, answers: Any = None) -> list[dict[str, Any]]:
    """What the sums are asked; they give `answers` in turn, or zeros."""
    calls: list[dict[str, Any]] = []

    def record(network, domain, parameters, codes, noise, **more: Any) -> np.ndarray:
        calls.append({"codes": codes.numpy().copy(), "noise": noise.numpy().copy(), **more})
        return np.zeros(len(parameters), np.int64) if answers is None else answers[len(calls) - 1]

    monkeypatch.setattr(dp_sgd, "clipped_sum", record)
    return calls


def noised_by(monkeypatch: pytest.MonkeyPatch, mechanism: DpSgd, table: EncodedTable) -> list[np.ndarray]:
    """The noised sum of each step."""
    seen: list[np.ndarray] = []
    gradient = dp_sgd._Training._gradient

    def record(training: Any, noised: np.ndarray, step: int) -> Any:
        seen.append(noised.copy())
        return gradient(training, noised, step)

    with monkeypatch.context() as patched:
        patched.setattr(dp_sgd._Training, "_gradient", record)
        mechanism.run(table, Unit())
    return seen


def moved_by(monkeypatch: pytest.MonkeyPatch, mechanism: DpSgd, table: EncodedTable) -> list[np.ndarray]:
    """The gradient that each step follows."""
    seen: list[np.ndarray] = []
    move = dp_sgd._Training._move

    def record(training: Any, gradient: Any, step: int) -> None:
        seen.append(gradient.numpy().copy())
        move(training, gradient, step)

    with monkeypatch.context() as patched:
        patched.setattr(dp_sgd._Training, "_move", record)
        mechanism.run(table, Unit())
    return seen


def quieten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise of zero."""
    monkeypatch.setattr(dp_sgd, "rounded_gaussian", lambda _, size: np.zeros(size, np.int64))
