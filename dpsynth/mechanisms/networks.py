"""The networks that may be trained on rows: how each row's loss is computed, by itself.

A network is a frozen, public description. Its losses are written over `Layers`, which apply affine maps and
may record what a clipped sum of gradients needs. Nothing here mixes rows: no normalisation over a batch, no
packing of records, no penalty between them (pitfall P31). The set of networks is closed: `NETWORKS`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from dpsynth import _validate
from dpsynth._lazy import require
from dpsynth.mechanisms.base import Json

if TYPE_CHECKING:
    from dpsynth.schema.layout import Domain

__all__ = ["NETWORKS", "SLOPE", "Autoencoder", "Critic", "Layer", "Layers", "Network", "parameter_count"]

Tensor: TypeAlias = Any

SLOPE = 0.1
"""Of the leaky rectifiers between layers, below zero."""
_LEAST_LOG_VARIANCE, _LARGEST_LOG_VARIANCE = -8.0, 4.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """One affine map, stored as a matrix with `inputs` + 1 rows (the last is the bias).

    Attributes:
        name: Of the layer.
        inputs: Length of the input; for an embedding the number of codes of all columns together.
        outputs: Length of the output.
        embedding: Whether the input is one code of each column: the output is the sum of their rows.
    """

    name: str
    inputs: int
    outputs: int
    embedding: bool = False

    @property
    def size(self) -> int:
        """How many parameters it has."""
        return (self.inputs + 1) * self.outputs


class Layers(Protocol):
    """Applies the affine maps of a network."""

    def apply(self, name: str, inputs: Tensor) -> Tensor:
        """The output of a layer; for an embedding `inputs` are codes that are numbered over all columns."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Critic:
    """Tells rows of the table from public rows: its output is the logarithm of their ratio, once trained.

    Attributes:
        hidden: Widths of the hidden layers.
    """

    hidden: tuple[int, ...] = (128, 128)

    def __post_init__(self) -> None:
        _widths("hidden", self.hidden)

    @property
    def noise_size(self) -> int:
        """Numbers of public noise that the loss of one row takes."""
        return 0

    def layers(self, domain: Domain) -> tuple[Layer, ...]:
        """The affine maps, in order."""
        return _stack("hidden", (sum(domain.sizes), *self.hidden, 1), embedding=True)

    def logits(self, layers: Layers, codes: Tensor) -> Tensor:
        """One number for each row."""
        return _through(layers, "hidden", len(self.hidden) + 1, codes)[:, 0]

    def losses(self, layers: Layers, domain: Domain, codes: Tensor, noise: Tensor) -> Tensor:  # noqa: ARG002
        """Logistic loss of each row of the table."""
        return require("torch.nn.functional", extra="deep").softplus(-self.logits(layers, codes))

    def public_losses(self, layers: Layers, domain: Domain, codes: Tensor, noise: Tensor) -> Tensor:  # noqa: ARG002
        """Logistic loss of each public row."""
        return require("torch.nn.functional", extra="deep").softplus(self.logits(layers, codes))

    def describe(self) -> Json:
        """Public JSON."""
        return {"type": "critic/1", "hidden": list(self.hidden)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Autoencoder:
    """A variational autoencoder over codes (Kingma and Welling, 2014): one softmax for each column.

    Attributes:
        hidden: Widths of the hidden layers of the encoder; the decoder has them in reverse.
        latent: Length of the latent vector.
        prior_weight: Weight of the divergence from the prior.
    """

    hidden: tuple[int, ...] = (128,)
    latent: int = 16
    prior_weight: float = 1.0

    def __post_init__(self) -> None:
        _widths("hidden", self.hidden)
        _validate.count("latent", self.latent)
        _validate.positive("prior_weight", self.prior_weight)

    @property
    def noise_size(self) -> int:
        """Numbers of public noise that the loss of one row takes."""
        return self.latent

    def layers(self, domain: Domain) -> tuple[Layer, ...]:
        """The affine maps, in order."""
        codes = sum(domain.sizes)
        encoder = _stack("encoder", (codes, *self.hidden, 2 * self.latent), embedding=True)
        return (*encoder, *_stack("decoder", (self.latent, *reversed(self.hidden), codes)))

    def encode(self, layers: Layers, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of the latent vector of each row."""
        found = _through(layers, "encoder", len(self.hidden) + 1, codes)
        spread = found[:, self.latent :].clamp(_LEAST_LOG_VARIANCE, _LARGEST_LOG_VARIANCE)
        return found[:, : self.latent], spread

    def decode(self, layers: Layers, latent: Tensor) -> Tensor:
        """The logits of all codes of all columns, side by side."""
        return _through(layers, "decoder", len(self.hidden) + 1, latent)

    def losses(self, layers: Layers, domain: Domain, codes: Tensor, noise: Tensor) -> Tensor:
        """The negative evidence lower bound of each row, with one draw of its latent vector."""
        torch = require("torch", extra="deep")
        mean, spread = self.encode(layers, codes)
        logits = self.decode(layers, mean + torch.exp(0.5 * spread) * noise)
        normal = sum(torch.logsumexp(part, 1) for part in logits.split(domain.sizes, 1))
        found = normal - logits.gather(1, codes).sum(1)
        divergence = 0.5 * (mean.square() + spread.exp() - 1 - spread).sum(1)
        return found + self.prior_weight * divergence

    def public_losses(self, layers: Layers, domain: Domain, codes: Tensor, noise: Tensor) -> Tensor:
        """The same for public rows."""
        return self.losses(layers, domain, codes, noise)

    def describe(self) -> Json:
        """Public JSON."""
        return {
            "type": "autoencoder/1",
            "hidden": list(self.hidden),
            "latent": self.latent,
            "prior_weight": float(self.prior_weight),
        }


Network: TypeAlias = "Autoencoder | Critic"
NETWORKS: tuple[type[Network], ...] = (Autoencoder, Critic)


def parameter_count(network: Network, domain: Domain) -> int:
    """The length of the vector of all parameters."""
    return sum(layer.size for layer in network.layers(domain))


def _stack(name: str, widths: tuple[int, ...], *, embedding: bool = False) -> tuple[Layer, ...]:
    pairs = itertools.pairwise(widths)
    return tuple(
        Layer(name=f"{name}.{i}", inputs=inputs, outputs=outputs, embedding=embedding and i == 0)
        for i, (inputs, outputs) in enumerate(pairs)
    )


def _through(layers: Layers, name: str, number: int, inputs: Tensor) -> Tensor:
    """Affine maps with leaky rectifiers between them."""
    functional = require("torch.nn.functional", extra="deep")
    for i in range(number):
        inputs = layers.apply(f"{name}.{i}", inputs)
        if i + 1 < number:
            inputs = functional.leaky_relu(inputs, SLOPE)
    return inputs


def _widths(name: str, widths: tuple[int, ...]) -> None:
    for width in widths:
        _validate.count(name, width)
    _validate.count(f"the number of {name} layers", len(widths))
