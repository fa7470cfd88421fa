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

*Single precision.* The first blocks of a batch, a public number of them, may be added in single precision
instead, which takes half the time. A matrix product over 64 rows, and the sum of c of these, leave each entry
off by at most gamma_(64 + c) of the sum of its terms' sizes, in whatever order they are added (Higham, 2002,
section 3.1). So the norm of the error of all entries is at most gamma_(64 + c) of the sum of the rows' norms,
which is at most the number of rows, in clips: `round_off`, for both of two neighbours. It is charged. 64-bit
integers add the blocks.

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
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from dpsynth._lazy import require
from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms.base import IntArray
from dpsynth.mechanisms.networks import Layer, Network, Tensor

if TYPE_CHECKING:
    from dpsynth.schema.layout import Domain

__all__ = [
    "DRIFT",
    "GRID_BITS",
    "MOST_ROWS",
    "Blocks",
    "Recorded",
    "clipped_sum",
    "keep_memory",
    "longest",
    "require_precision",
    "views",
]

DRIFT = 2.0**-6
"""What one unit might move the gradients of all other rows by, in clips: 10^4 rows, 10^-6 each, and more."""

GRID_BITS = 44
_BITS = GRID_BITS // 2
MOST_ROWS = 480
"""At once in doubles: sums of so many products of 44 bits stay below 2^53."""
_CHUNK = 64
_BLOCK_ROWS = 1152
_SINGLE_ROWS = 4096
"""Of a batch in single precision at most: what is charged grows with them."""
_DENSE_CODES = 2048
_KEPT_BYTES = 30 * 2**20
_ROUND_OFF = 1e-4  # of norms in single precision, relative; what exceeds it is left out, not let through


@dataclass(frozen=True, kw_only=True, slots=True)
class Blocks:
    """How a batch is divided: public numbers.

    Attributes:
        rows: Of a block, a multiple of 64.
        single: How many of the first blocks are added in single precision.
    """

    rows: int = 7 * _CHUNK
    single: int = 0

    @classmethod
    def of(cls, batch: float, *, single: bool) -> Blocks:
        """Few blocks for a batch of about `batch` rows, the last one nearly full."""
        expected = batch + 2 * math.sqrt(batch)
        blocks = math.ceil(expected / _BLOCK_ROWS)
        rows = _CHUNK * math.ceil(expected / blocks / _CHUNK)
        return cls(rows=rows, single=min(blocks, _SINGLE_ROWS // rows) if single else 0)

    def round_off(self) -> float:
        """By how much the sums of two neighbours may differ from exact ones together, in clips.

        One hundredth more than the bound covers norms beyond one clip by `_ROUND_OFF`, and what is cut off
        when a sum becomes a whole number.
        """
        terms = (_CHUNK + self.rows // _CHUNK) * 2.0**-24
        return 1.01 * 2 * self.rows * self.single * terms / (1 - terms)


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
    blocks: Blocks = Blocks(),
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
        blocks: How rows are divided.
    """
    torch = require("torch", extra="deep")
    layers, losses = network.layers(domain), network.public_losses if public else network.losses
    filling = -len(codes) % blocks.rows
    codes = torch.cat([codes, codes.new_tensor(_first_codes(domain)).expand(filling, -1)])
    noise = torch.cat([noise, noise.new_zeros((filling, noise.shape[1]))])
    there = torch.arange(len(codes), device=codes.device) < len(codes) - filling
    bound = longest(layers) * (1 - _ROUND_OFF)
    total = torch.zeros(len(parameters), dtype=torch.int64, device=parameters.device)
    for index, start in enumerate(range(0, len(codes), blocks.rows)):
        part = slice(start, start + blocks.rows)
        recorded = Recorded(layers, parameters)
        found = losses(recorded, domain, codes[part], noise[part])
        single = index < blocks.single
        _add(views(layers, total), recorded, found, there[part], clip=clip, bound=bound, single=single)
    summed: IntArray = total.cpu().numpy()
    return summed


@lru_cache(maxsize=1)
def keep_memory() -> None:
    """Ask for much memory once and give it back.

    The C library of most systems then keeps what is freed, instead of asking the system for it again in every
    step: up to twice as fast where pages are dear.
    """
    np.zeros(_KEPT_BYTES, np.uint8)


def require_precision(device: Tensor) -> None:
    """Refuse settings of torch that round what single precision holds, before anything is added.

    Raises:
        ConfigurationError: Says which settings.
    """
    torch = require("torch", extra="deep")
    number = 2.0**11 + 1  # eleven bits after the first; tensor cores and bfloat16 keep ten and seven
    factor = torch.zeros((8, _CHUNK, 256), device=device)
    factor[:, :3] = number
    if not bool((torch.bmm(factor.transpose(1, 2), factor) == 3 * number**2).all()):
        raise ConfigurationError(
            "Training needs products in full single precision. Call torch.set_float32_matmul_precision("
            "'highest') and leave autocast, or take engine='exact'."
        )


def _first_codes(domain: Domain) -> list[int]:
    """The first code of each column, numbered over all columns."""
    return [int(offset) for offset in np.cumsum([0, *domain.sizes[:-1]])]


def _add(
    totals: dict[str, Tensor],
    recorded: Recorded,
    losses: Tensor,
    there: Tensor,
    *,
    clip: float,
    bound: float,
    single: bool,
) -> None:
    """Add the clipped gradients of the rows that are `there`."""
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
    factors = [_factors(*one, size, scales, single=single) for one, size in zip(seen, sizes, strict=True)]
    too_long = norm(torch.stack([length for *_, length in factors]), dim=0) > bound
    kept = ~too_long if bool(too_long.any()) else None
    summed = _single_products if single else _exact_products
    for (layer, _, _), (left, right, _) in zip(seen, factors, strict=True):
        totals[layer.name] += summed(layer, left, right if kept is None else _without(right, kept))


def _without(values: Tensor, kept: Tensor) -> Tensor:
    """`values`, zero in the rows that are not `kept`."""
    torch = require("torch", extra="deep")
    return torch.where(kept[:, None], values, values.new_zeros(()))


def _length(layer: Layer, inputs: Tensor) -> Tensor:
    """The norm of (a, 1) for each row; an embedding has a one for each column."""
    torch = require("torch", extra="deep")
    if layer.embedding:
        return torch.full((len(inputs),), math.sqrt(inputs.shape[1] + 1), device=inputs.device)
    return torch.linalg.vector_norm(inputs, dim=1).square_().add_(1.0).sqrt_()


def _factors(
    layer: Layer, inputs: Tensor, slope: Tensor, size: Tensor, scales: Tensor, *, single: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Both factors of each row's gradient, the first with an entry for the bias, and their product's norm.

    On the grid both are whole numbers. In single precision, and for an embedding, whose first factor is a
    vector of ones and zeros, given by the places of the ones, the second factor carries all of the steps.
    """
    torch = require("torch", extra="deep")
    norm = torch.linalg.vector_norm
    if single or layer.embedding:  # single precision holds no fractions beyond 2^24
        right = slope * (scales * 2.0**GRID_BITS)[:, None]
        return inputs, right if single else right.round_(), norm(right, dim=1) * size
    steps = 2.0**_BITS / size
    left = torch.cat([inputs * steps[:, None], steps[:, None]], 1).round_()
    right = (slope * (scales * size * 2.0**_BITS)[:, None]).round_()
    return left, right, norm(left, dim=1) * norm(right, dim=1)


def _exact_products(layer: Layer, left: Tensor, right: Tensor) -> Tensor:
    """The sum of the rows' outer products; every entry is a whole number below 2^53."""
    torch = require("torch", extra="deep")
    if layer.embedding:
        left = torch.nn.functional.pad(left, (0, 1), value=layer.inputs)
        if layer.inputs > _DENSE_CODES:
            found = torch.zeros((layer.inputs + 1, layer.outputs), dtype=torch.float64, device=left.device)
            right = right.double().repeat_interleave(left.shape[1], 0)
            return found.index_add_(0, left.reshape(-1), right).to(torch.int64)
        left = _ones(layer.inputs + 1, left, right)
    parts = zip(left.split(MOST_ROWS), right.split(MOST_ROWS), strict=True)
    return sum(torch.mm(one.double().T, other.double()).to(torch.int64) for one, other in parts)


def _single_products(layer: Layer, left: Tensor, right: Tensor) -> Tensor:
    """The same in single precision, up to `Blocks.round_off`."""
    torch = require("torch", extra="deep")
    if layer.embedding and layer.inputs > _DENSE_CODES:
        return _exact_products(layer, left, right)
    dense = _ones(layer.inputs, left, right) if layer.embedding else left
    one, other = (part.view(-1, _CHUNK, part.shape[1]) for part in (dense, right))
    found = torch.bmm(one.transpose(1, 2), other).sum(0)
    return torch.cat([found, other.sum(1).sum(0, keepdim=True)]).to(torch.int64)


def _ones(number: int, places: Tensor, like: Tensor) -> Tensor:
    """For each row so many zeros, with ones at its `places`."""
    return like.new_zeros((len(places), number)).scatter_(1, places, 1.0)
