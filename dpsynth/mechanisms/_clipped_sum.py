"""The sum of clipped gradients of rows, as whole numbers, in one backward pass.

The gradient of one row for an affine map with input a and derivative d of its output is the outer product of
(a, 1) and d. Its norm is the product of their norms, so the gradients themselves are never formed: norms
first, then one matrix product for each layer (the ghost norm of Goodfellow, 2015; one backward pass as in Bu
et al., 2023).

*Whole numbers.* Each row's two factors are put on an integer grid before they are multiplied: (a, 1) divided
by its norm on steps of 2^-22, the derivative with all scales on steps of clip 2^-22. Products of the factors
are whole numbers, and sums over a block of rows stay below 2^53, where doubles add whole numbers without
rounding; 64-bit integers add the blocks. So the sum does not depend on the order of rows (pitfall P25), and
the norm of what a row adds is known exactly. A row whose gradient on the grid is longer than `longest`, or is
not finite (pitfall P30), adds nothing.

*Blocks of one shape.* Up to the grid, a row's gradient is computed in single precision. A row more in a batch
moves others to other places, where a library might round their products differently, by parts in 10^7. All
blocks have the same number of rows, and the last one is filled up with rows that add nothing. With widths
that are multiples of 16 a test finds the gradients of a row the same to the last bit wherever it stands. With
odd ones libraries do not treat the rows of a block alike; a test holds them to less than `DRIFT`, which is
charged for all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from dpsynth._lazy import require
from dpsynth.mechanisms.base import IntArray
from dpsynth.mechanisms.networks import Layer, Network, Tensor

if TYPE_CHECKING:
    from dpsynth.schema.layout import Domain

__all__ = [
    "DRIFT",
    "GRID_BITS",
    "MOST_ROWS",
    "Recorded",
    "block_for",
    "clipped_sum",
    "keep_memory",
    "longest",
    "views",
]

DRIFT = 2.0**-6
"""What one unit might move the gradients of all other rows by, in clips: 10^4 rows, 10^-6 each, and more."""

GRID_BITS = 44
_BITS = GRID_BITS // 2
MOST_ROWS = 480
"""Of a block: sums of so many products of 44 bits stay below 2^53."""
_DENSE_CODES = 2048
_KEPT_BYTES = 30 * 2**20
_ROUND_OFF = 1e-4  # of norms in single precision, relative; what exceeds it is left out, not let through


def longest(layers: Sequence[Layer]) -> float:
    """The largest norm of one row's gradient, in steps of clip 2^-44: 2^44 and what rounding adds.

    Rounding moves a factor of length m by sqrt(m) / 2 steps at most. A row is let through if its norm, as it
    is computed, is shorter by `_ROUND_OFF`: far more than single precision can be wrong.
    """
    inputs = max(layer.inputs for layer in layers) + 1
    outputs = sum(layer.outputs for layer in layers)
    rounding: float = (1 + math.sqrt(inputs) / 2 ** (_BITS + 1)) * (1 + math.sqrt(outputs) / 2 ** (_BITS + 1))
    return 2.0**GRID_BITS * (rounding + 2 * _ROUND_OFF)


def views(layers: Sequence[Layer], parameters: Tensor) -> dict[str, Tensor]:
    """The matrix of each layer, as a view of the vector of all parameters."""
    found, start = {}, 0
    for layer in layers:
        found[layer.name] = parameters[start : start + layer.size].view(layer.inputs + 1, layer.outputs)
        start += layer.size
    return found


class Recorded:
    """Applies layers and remembers inputs and outputs of each.

    Args:
        layers: All layers.
        parameters: The vector of all parameters.
    """

    def __init__(self, layers: Sequence[Layer], parameters: Tensor) -> None:
        self._matrices = views(layers, parameters)
        self._layers = {layer.name: layer for layer in layers}
        self.seen: list[tuple[Layer, Tensor, Tensor]] = []

    def apply(self, name: str, inputs: Tensor) -> Tensor:
        """The output of a layer, which every layer may give once."""
        functional = require("torch.nn.functional", extra="deep")
        layer, matrix = self._layers.pop(name), self._matrices[name]
        if layer.embedding:
            output = functional.embedding_bag(inputs, matrix, mode="sum") + matrix[-1]
        else:
            output = functional.linear(inputs, matrix[:-1].T, matrix[-1])
        if not output.requires_grad:
            output.requires_grad_()
        self.seen.append((layer, inputs.detach(), output))
        return output


def clipped_sum(
    network: Network,
    domain: Domain,
    parameters: Tensor,
    codes: Tensor,
    noise: Tensor,
    *,
    clip: float,
    public: bool = False,
    block: int = MOST_ROWS,
) -> IntArray:
    """The sum over rows of their gradients, each clipped to norm `clip`, in steps of clip 2^-44.

    Args:
        network: Whose losses.
        domain: Columns and their sizes.
        parameters: Vector of all parameters, without history.
        codes: One row each, codes numbered over all columns.
        noise: One row each, for the losses.
        clip: Largest norm.
        public: Whether the rows are public ones.
        block: Rows that are computed together: a public number, at most `MOST_ROWS`.
    """
    torch = require("torch", extra="deep")
    layers, losses = network.layers(domain), network.public_losses if public else network.losses
    filling = -len(codes) % block
    codes = torch.cat([codes, codes.new_tensor(_first_codes(domain)).expand(filling, -1)])
    noise = torch.cat([noise, noise.new_zeros((filling, noise.shape[1]))])
    there = torch.arange(len(codes)) < len(codes) - filling
    bound = longest(layers) * (1 - _ROUND_OFF)
    total = np.zeros(sum(layer.size for layer in layers), np.int64)
    for start in range(0, len(codes), block):
        part = slice(start, start + block)
        recorded = Recorded(layers, parameters)
        found = losses(recorded, domain, codes[part], noise[part])
        _add(total, recorded, found, there[part], clip=clip, bound=bound)
    return total


def block_for(batch: float) -> int:
    """Rows of a block where a batch has about `batch`: few blocks, the last one nearly full."""
    rows = batch + 2 * math.sqrt(batch)
    return 16 * math.ceil(rows / math.ceil(rows / MOST_ROWS) / 16)


@lru_cache(maxsize=1)
def keep_memory() -> None:
    """Ask for much memory once and give it back.

    The C library of most systems then keeps what is freed, instead of asking the system for it again in every
    step: up to twice as fast where pages are dear.
    """
    np.zeros(_KEPT_BYTES, np.uint8)


def _first_codes(domain: Domain) -> list[int]:
    """The first code of each column, numbered over all columns."""
    return [int(offset) for offset in np.cumsum([0, *domain.sizes[:-1]])]


def _add(
    total: IntArray, recorded: Recorded, losses: Tensor, there: Tensor, *, clip: float, bound: float
) -> None:
    """Add the clipped gradients of the rows that are `there` to `total`."""
    torch = require("torch", extra="deep")
    slopes = torch.autograd.grad(losses.sum(), [output for _, _, output in recorded.seen])
    seen = [(layer, inputs, slope) for (layer, inputs, _), slope in zip(recorded.seen, slopes, strict=True)]
    sizes = [_length(layer, inputs) for layer, inputs, _ in seen]
    norm = torch.linalg.vector_norm
    lengths = [size * norm(slope, dim=1) for size, slope in zip(sizes, slopes, strict=True)]
    norms = norm(torch.stack(lengths), dim=0)
    finite = torch.isfinite(norms)
    if not bool(finite.all()):  # nothing times zero is no number where it is not finite, in filling too
        seen = [(layer, _without(inputs, finite), _without(slope, finite)) for layer, inputs, slope in seen]
        sizes = [torch.where(finite, size, 1.0) for size in sizes]
    scales = torch.where(there & finite, (clip / norms).clamp(max=1.0) / clip, 0.0)
    factors = [_on_grid(*one, size, scales) for one, size in zip(seen, sizes, strict=True)]
    exact = norm(torch.stack([length for *_, length in factors]), dim=0)
    too_long = exact > bound
    start = 0
    for (layer, _, _), (left, right, ones, _) in zip(seen, factors, strict=True):
        product = torch.empty((layer.inputs + 1, layer.outputs), dtype=torch.float64)
        kept = (_without(right, ~too_long) if bool(too_long.any()) else right).double()
        _products(layer, left, kept, out=product[:-1])
        torch.mv(kept.T, ones.double(), out=product[-1])
        total[start : start + layer.size] += product.to(torch.int64).numpy().ravel()
        start += layer.size


def _without(values: Tensor, kept: Tensor) -> Tensor:
    """`values`, zero in the rows that are not `kept`."""
    torch = require("torch", extra="deep")
    return torch.where(kept[:, None], values, values.new_zeros(()))


def _length(layer: Layer, inputs: Tensor) -> Tensor:
    """The norm of (a, 1) for each row; an embedding has a one for each column."""
    torch = require("torch", extra="deep")
    if layer.embedding:
        return torch.full((len(inputs),), math.sqrt(inputs.shape[1] + 1))
    return torch.linalg.vector_norm(inputs, dim=1).square_().add_(1.0).sqrt_()


def _on_grid(
    layer: Layer, inputs: Tensor, slope: Tensor, size: Tensor, scales: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Both factors of each row's gradient as whole numbers, the entry for the bias, the norm of the product.

    An embedding's first factor is a vector of ones and zeros, so the second carries all of the steps.
    """
    torch = require("torch", extra="deep")
    norm = torch.linalg.vector_norm
    if layer.embedding:  # single precision holds no fractions beyond 2^24
        right = (slope * (scales * 2.0**GRID_BITS)[:, None]).round_()
        return inputs, right, torch.ones_like(scales), norm(right, dim=1) * math.sqrt(inputs.shape[1] + 1)
    steps = 2.0**_BITS / size
    left, ones = (inputs * steps[:, None]).round_(), steps.round()
    right = (slope * (scales * size * 2.0**_BITS)[:, None]).round_()
    return left, right, ones, (norm(left, dim=1).square() + ones.square()).sqrt_() * norm(right, dim=1)


def _products(layer: Layer, left: Tensor, right: Tensor, *, out: Tensor) -> None:
    """The sum of the rows' outer products into `out`; every entry is a whole number below 2^53."""
    torch = require("torch", extra="deep")
    if not layer.embedding:
        torch.mm(left.double().T, right, out=out)
    elif layer.inputs <= _DENSE_CODES:
        chosen = torch.zeros((len(left), layer.inputs), dtype=torch.float64).scatter_(1, left, 1.0)
        torch.mm(chosen.T, right, out=out)
    else:
        out.zero_().index_add_(0, left.reshape(-1), right.repeat_interleave(left.shape[1], 0))
