"""The public side of a GAN: what happens between the private rounds of its critic."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from dpsynth._lazy import require
from dpsynth.generators.deep import CodeTable
from dpsynth.generators.pretraining import Parameters, Weights, components, first_parameters, numbered
from dpsynth.mechanisms import Autoencoder, Critic, TrainingState

if TYPE_CHECKING:
    from dpsynth.schema.layout import Domain

__all__ = ["Adversary"]

_GENERATED = 8192
_BATCH = 500
_TEMPERATURE = 0.7
_AVERAGING = 0.98

Tensor = Any


class Adversary:
    """A generator that learns from critics.

    Args:
        domain: Columns and sizes.
        network: Its decoder is the generator.
        critic: Rates rows.
        start: Parameters of `network`.
        rows: Rows of the counts: where they lie in the latent space is where the generator is asked.
        rng: Source of everything random.
        learning_rate: Of the generator.
        anchor: Weight of the likelihood of `rows`.
    """

    def __init__(
        self,
        domain: Domain,
        network: Autoencoder,
        critic: Critic,
        start: Parameters,
        rows: CodeTable,
        rng: np.random.Generator,
        *,
        learning_rate: float,
        anchor: float,
    ) -> None:
        torch = require("torch", extra="deep")
        self._domain, self._network, self._critic = domain, network, critic
        self._rows, self._rng, self._anchor = rows, rng, anchor
        self._parameters = torch.tensor(start, requires_grad=True)
        self._optimiser = torch.optim.Adam([self._parameters], lr=learning_rate, betas=(0.5, 0.99))
        self.average = start.copy()

    def first_critic(self) -> Parameters:
        """A critic without an opinion."""
        found = first_parameters(self._critic, self._domain, self._rng)
        found[-self._critic.layers(self._domain)[-1].size :] = 0.0
        return found

    def generated(self) -> CodeTable:
        """Rows of the generator."""
        chosen = self._rows[self._rng.integers(0, len(self._rows), _GENERATED)]
        tables = components(self._network, self._domain, self.average, chosen, self._rng)
        start, columns = 0, []
        for size in self._domain.sizes:
            cumulative = np.cumsum(tables[:, start : start + size], axis=1, dtype=np.float64)
            points = self._rng.random(len(tables)) * cumulative[:, -1]
            columns.append(np.minimum((cumulative <= points[:, None]).sum(axis=1), size - 1))
            start += size
        return np.stack(columns, axis=1).astype(np.int64)

    def bounded(self, state: TrainingState, limit: float) -> TrainingState:
        """The state with the largest singular value of each map at most `limit` (Miyato et al., 2018)."""
        arrays = []
        for array in (state.parameters, state.average):
            bounded, start = array.copy(), 0
            for layer in self._critic.layers(self._domain):
                matrix = bounded[start : start + layer.size].reshape(layer.inputs + 1, layer.outputs)
                largest = float(np.linalg.norm(matrix[:-1], 2))
                matrix *= min(1.0, limit / largest) if largest > 0 else 1.0
                start += layer.size
            arrays.append(bounded)
        return dataclasses.replace(state, parameters=arrays[0], average=arrays[1])

    def move(self, critic: Parameters, steps: int) -> None:
        """Some steps towards rows that the critic takes for private ones."""
        torch = require("torch", extra="deep")
        judge = Weights(self._critic.layers(self._domain), torch.tensor(critic))
        for _ in range(steps):
            weights = Weights(self._network.layers(self._domain), self._parameters)
            chosen = self._rows[self._rng.integers(0, len(self._rows), _BATCH)]
            codes = torch.from_numpy(numbered(self._domain, chosen))
            noise = torch.from_numpy(self._rng.standard_normal((_BATCH, self._network.latent), np.float32))
            logits = self._critic.logits(judge, self._drawn(weights, codes, noise))
            loss = torch.nn.functional.softplus(-logits).mean()
            if self._anchor:
                loss = loss + self._anchor * self._network.losses(weights, self._domain, codes, noise).mean()
            self._optimiser.zero_grad()
            loss.backward()
            self._optimiser.step()
            own = self._parameters.detach().numpy()
            self.average = (_AVERAGING * self.average + (1 - _AVERAGING) * own).astype(np.float32)

    def _drawn(self, weights: Weights, codes: Tensor, noise: Tensor) -> Tensor:
        """Rows as a weight for each code: one drawn code, a softmax's gradient (Jang et al., 2017)."""
        torch = require("torch", extra="deep")
        with torch.no_grad():
            mean, spread = self._network.encode(weights, codes)
        logits = self._network.decode(weights, mean + torch.exp(0.5 * spread) * noise)
        gumbel = torch.from_numpy(self._rng.gumbel(size=tuple(logits.shape)).astype(np.float32))
        parts = []
        for part in ((logits + gumbel) / _TEMPERATURE).split(self._domain.sizes, 1):
            soft = torch.softmax(part, 1)
            hard = torch.zeros_like(soft).scatter_(1, soft.argmax(1, keepdim=True), 1.0)
            parts.append(hard + soft - soft.detach())
        return torch.cat(parts, 1)
