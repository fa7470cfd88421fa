"""Train a network on rows that are public already: post-processing, without price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dpsynth import _validate
from dpsynth._lazy import require
from dpsynth.generators.deep import CodeTable, training_seconds
from dpsynth.graphical.product_mixture import ProductMixture
from dpsynth.mechanisms import Autoencoder, Layer, Network, parameter_count

if TYPE_CHECKING:
    from dpsynth.graphical.junction_model import JunctionModel
    from dpsynth.schema.layout import Domain
    from dpsynth.schema.schema import Schema
    from dpsynth.session.plan import Plan

__all__ = [
    "Parameters",
    "Pretraining",
    "Weights",
    "components",
    "first_parameters",
    "mixture",
    "numbered",
    "pretrained",
    "with_pretraining",
]

Parameters = np.ndarray[Any, np.dtype[np.float32]]
Tensor = Any

_AT_ONCE = 4096
_BYTES_PER_CELL = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Pretraining:
    """Fixed numbers of training on rows from the counts.

    Attributes:
        rows: How many are drawn.
        epochs: How often each is seen.
        batch: Rows of a step.
        learning_rate: At first; it falls to zero along a cosine.
    """

    rows: int = 50_000
    epochs: int = 12
    batch: int = 500
    learning_rate: float = 2e-3

    def __post_init__(self) -> None:
        _validate.count("rows", self.rows)
        _validate.count("epochs", self.epochs)
        _validate.count("batch", self.batch)
        _validate.positive("learning_rate", self.learning_rate)


class Weights:
    """Applies the layers of a network, with gradients for its parameters.

    Args:
        layers: All layers.
        parameters: The vector of all parameters.
    """

    def __init__(self, layers: Sequence[Layer], parameters: Tensor) -> None:
        self._layers = {layer.name: layer for layer in layers}
        self._matrices, start = {}, 0
        for layer in layers:
            part = parameters[start : start + layer.size]
            self._matrices[layer.name] = part.view(layer.inputs + 1, layer.outputs)
            start += layer.size

    def apply(self, name: str, inputs: Tensor) -> Tensor:
        """The output of a layer; an embedding also takes a weight for each code instead of codes."""
        functional = require("torch.nn.functional", extra="deep")
        matrix = self._matrices[name]
        if self._layers[name].embedding and not inputs.is_floating_point():
            return functional.embedding_bag(inputs, matrix, mode="sum") + matrix[-1]
        return functional.linear(inputs, matrix[:-1].T, matrix[-1])


def numbered(domain: Domain, rows: CodeTable) -> CodeTable:
    """Codes that are numbered over all columns."""
    found: CodeTable = rows + np.cumsum([0, *domain.sizes[:-1]])
    return found


def first_parameters(network: Network, domain: Domain, rng: np.random.Generator) -> Parameters:
    """Random parameters before any training (He et al., 2015)."""
    parts = []
    for layer in network.layers(domain):
        fan = len(domain.sizes) if layer.embedding else layer.inputs
        matrix = rng.normal(0.0, np.sqrt(2.0 / fan), (layer.inputs + 1, layer.outputs))
        matrix[-1] = 0.0
        parts.append(matrix.ravel())
    found = np.concatenate(parts).astype(np.float32)
    assert len(found) == parameter_count(network, domain)  # noqa: S101 - a view of it would be wrong
    return found


def pretrained(
    network: Network, domain: Domain, rows: CodeTable, settings: Pretraining, rng: np.random.Generator
) -> Parameters:
    """Parameters after some epochs on `rows`."""
    torch = require("torch", extra="deep")
    parameters = torch.tensor(first_parameters(network, domain, rng), requires_grad=True)
    optimiser = torch.optim.Adam([parameters], lr=settings.learning_rate)
    codes, layers = numbered(domain, rows), network.layers(domain)
    size = min(settings.batch, len(rows))
    steps = settings.epochs * (len(rows) // size)
    order = np.concatenate([rng.permutation(len(rows)) for _ in range(settings.epochs)])
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * (0.5 + 0.5 * float(np.cos(np.pi * step / steps)))
        batch = codes[order[step * size : (step + 1) * size]]
        noise = rng.standard_normal((len(batch), network.noise_size), np.float32)
        weights = Weights(layers, parameters)
        losses = network.losses(weights, domain, torch.from_numpy(batch), torch.from_numpy(noise))
        optimiser.zero_grad()
        losses.mean().backward()
        optimiser.step()
    found: Parameters = parameters.detach().numpy().copy()
    return found


def components(
    network: Autoencoder, domain: Domain, parameters: Parameters, rows: CodeTable, rng: np.random.Generator
) -> Parameters:
    """The distributions that the decoder gives at one latent point of each row: a mixture's tables."""
    torch = require("torch", extra="deep")
    weights = Weights(network.layers(domain), torch.from_numpy(parameters.copy()))
    codes, parts = numbered(domain, rows), []
    with torch.no_grad():
        for start in range(0, len(rows), _AT_ONCE):
            batch = codes[start : start + _AT_ONCE]
            noise = rng.standard_normal((len(batch), network.latent), np.float32)
            mean, spread = network.encode(weights, torch.from_numpy(batch))
            logits = network.decode(weights, mean + torch.exp(0.5 * spread) * torch.from_numpy(noise))
            shares = [torch.softmax(part, 1) for part in logits.split(domain.sizes, 1)]
            parts.append(torch.cat(shares, 1).numpy())
    found: Parameters = np.concatenate(parts)
    return found


def mixture(
    counts: JunctionModel,
    network: Autoencoder,
    parameters: Parameters,
    rows: CodeTable,
    points: int,
    rng: np.random.Generator,
) -> ProductMixture:
    """What the decoder says at latent points of some rows, each column calibrated to the counts."""
    schema, chosen = counts.schema, rows[rng.permutation(len(rows))[:points]]
    tables = components(network, schema.domain, parameters, chosen, rng)
    weights = np.full(len(tables), 1 / len(tables))
    model = ProductMixture(schema=schema, total=counts.total, weights=weights, tables=tables)
    return model.calibrated({name: counts.marginal([name]) for name in schema.domain.columns})


def with_pretraining(
    plan: Plan, schema: Schema, network: Network, settings: Pretraining, points: int
) -> Plan:
    """The plan with the time of pre-training, and the memory of a mixture's tables while it is made."""
    cells, rows = points * sum(schema.domain.sizes), settings.rows * settings.epochs
    return replace(
        plan,
        memory_bytes=plan.memory_bytes + _BYTES_PER_CELL * cells,
        seconds=plan.seconds + training_seconds(parameter_count(network, schema.domain), rows),
    )
