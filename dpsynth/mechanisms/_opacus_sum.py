"""The same sums by another hand: gradients of single rows from the hooks of Opacus, formed and then clipped.

The reference for `_clipped_sum`, which never forms a row's gradient, and the way to clip layers that it does
not know. Here the gradient of each row is a vector in memory, in double precision. It is clipped, each entry
is rounded to steps of clip 2^-44, and 64-bit integers add the rows: the sum does not depend on their order
(pitfall P25). A row whose gradient is not finite (pitfall P30), or longer on the grid than the bound, adds
nothing. Chunks have one public shape, the last one is filled up with rows that add nothing.

Layers that mix rows, or that keep numbers beside their parameters, are refused by name (pitfall P31). Mixing
that is no layer, such as a mean over the batch in the code of a loss, cannot be seen from here: only losses
that treat each row by itself may be passed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dpsynth._lazy import require
from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms._clipped_sum import GRID_BITS, longest, views
from dpsynth.mechanisms.base import IntArray
from dpsynth.mechanisms.networks import Layer, Network, Tensor

if TYPE_CHECKING:
    from dpsynth.schema.layout import Domain

__all__ = ["clipped_rows", "clipped_sum", "refuse"]

_ROWS = 128
_ENTRIES = 2**22  # of the gradients that are in memory at once
_ROUND_OFF = 1e-5


def clipped_sum(
    network: Network,
    domain: Domain,
    parameters: Tensor,
    codes: Tensor,
    noise: Tensor,
    *,
    clip: float,
    public: bool = False,
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
    """
    layers, losses = network.layers(domain), network.public_losses if public else network.losses
    linear = _Linear(layers, parameters)

    def found(codes: Tensor, noise: Tensor) -> Tensor:
        return losses(linear, domain, codes, noise)

    sums = clipped_rows(linear.module, found, (codes, noise.double()), clip=clip, bound=longest(layers))
    pairs = zip(sums[::2], sums[1::2], strict=True)  # the weight of a layer, then its bias
    return np.concatenate([np.vstack([weight.T, bias]).ravel() for weight, bias in pairs])


def clipped_rows(
    module: Any,
    losses: Callable[..., Tensor],
    rows: Sequence[Tensor],
    *,
    clip: float,
    bound: float | None = None,
) -> tuple[IntArray, ...]:
    """The sum over rows of clipped gradients of the parameters of `module`, in steps of clip 2^-44.

    Args:
        module: A torch module in training mode, of layers that Opacus supports.
        losses: Takes as many rows of each of `rows`, calls the module once, and gives one loss for each row.
        rows: Tensors with one row each, the same number; rows of zeros must be possible.
        clip: Largest norm of a row's gradient over all parameters that are trained.
        bound: Largest norm on the grid; None for `clip` and what rounding adds.

    Returns:
        For each trained parameter an array of its shape, in the order of `module.parameters()`.

    Raises:
        ConfigurationError: A layer mixes rows, keeps numbers, or has no gradient for each row.
    """
    torch = require("torch", extra="deep")
    refuse(module)
    trained = [(name, weights) for name, weights in module.named_parameters() if weights.requires_grad]
    size = sum(weights.numel() for _, weights in trained)
    if bound is None:
        bound = 2.0**GRID_BITS * (1 + _ROUND_OFF) + math.sqrt(size) / 2
    totals = [np.zeros(tuple(weights.shape), np.int64) for _, weights in trained]
    number = len(rows[0])
    chunk = max(1, min(_ROWS, _ENTRIES // max(size, 1)))
    filled = [torch.cat([part, part.new_zeros((-number % chunk, *part.shape[1:]))]) for part in rows]
    hooked = require("opacus.grad_sample", extra="deep").GradSampleModule(module, loss_reduction="sum")
    try:
        for start in range(0, number, chunk):
            hooked.zero_grad(set_to_none=True)
            losses(*(part[start : start + chunk] for part in filled)).sum().backward()
            gradients = [_of_rows(name, weights, chunk) for name, weights in trained]
            there = torch.arange(start, start + chunk) < number
            _add(totals, gradients, there, clip=clip, bound=bound)
    finally:
        hooked.zero_grad(set_to_none=True)
        hooked.to_standard_module()
    return tuple(totals)


def refuse(module: Any) -> None:
    """Refuse every layer that Opacus rejects, trained or not, and every layer that keeps numbers.

    Raises:
        ConfigurationError: Names the layer.
    """
    known = require("opacus.validators", extra="deep").ModuleValidator.VALIDATORS
    for name, part in module.named_modules():
        what = f"the layer {name!r} ({type(part).__name__})"
        if not part.training:
            raise ConfigurationError(f"Expected {what} in training mode: otherwise it has no gradients.")
        # Opacus looks at trained layers of exactly its types only. Rows are mixed by the others as well.
        if any(check(part) for kind, check in known.items() if isinstance(part, kind)):
            raise ConfigurationError(
                f"Rows may not pass {what}: it mixes the rows of a batch, or hides the gradients of single "
                "rows. Take LayerNorm or GroupNorm in place of batch normalisation."
            )
        if any(True for _ in part.buffers(recurse=False)):
            raise ConfigurationError(
                f"Rows may not pass {what}: it keeps numbers beside its parameters, which no noise covers."
            )


class _Linear:
    """The layers of a network as modules of torch; an embedding reads ones and zeros."""

    def __init__(self, layers: Sequence[Layer], parameters: Tensor) -> None:
        torch = require("torch", extra="deep")
        self._layers = {layer.name: layer for layer in layers}
        self.module = torch.nn.ModuleDict()
        for layer in layers:  # skip_init: no draw from the global generator
            linear = torch.nn.utils.skip_init(
                torch.nn.Linear, layer.inputs, layer.outputs, dtype=torch.float64
            )
            matrix = views(layers, parameters)[layer.name]
            with torch.no_grad():
                linear.weight.copy_(matrix[:-1].T)
                linear.bias.copy_(matrix[-1])
            self.module[_key(layer.name)] = linear

    def apply(self, name: str, inputs: Tensor) -> Tensor:
        """The output of a layer."""
        torch = require("torch", extra="deep")
        layer, linear = self._layers[name], self.module[_key(name)]
        if layer.embedding:
            ones = torch.zeros((len(inputs), layer.inputs), dtype=torch.float64)
            inputs = ones.scatter_(1, inputs, 1.0).requires_grad_()  # torch warns of hooks on other inputs
        return linear(inputs)


def _key(name: str) -> str:
    """The name of a layer without the point, which a module's name may not hold."""
    return name.replace(".", "_")


def _of_rows(name: str, weights: Tensor, number: int) -> Tensor:
    """The gradient of each row for one parameter, side by side."""
    found = weights.grad_sample
    if tuple(getattr(found, "shape", ())) != (number, *weights.shape):
        raise ConfigurationError(
            f"Expected the parameter {name!r} to have one gradient for each row: losses call its layer."
        )
    return found.reshape(number, -1)


def _add(
    totals: Sequence[IntArray], gradients: Sequence[Tensor], there: Tensor, *, clip: float, bound: float
) -> None:
    """Add the clipped gradients of the rows that are `there`."""
    torch = require("torch", extra="deep")
    norms = _norms(gradients)
    alive = there & torch.isfinite(norms)
    scales = ((clip / norms).clamp(max=1.0) / clip * 2.0**GRID_BITS)[:, None]
    # Not a product with zero, which is no number where the gradient is none.
    whole = [torch.where(alive[:, None], part * scales, 0.0).round_() for part in gradients]
    kept = (_norms(whole) <= bound)[:, None]
    for total, part in zip(totals, whole, strict=True):
        summed = torch.where(kept, part, 0.0).to(torch.int64).sum(0).numpy()
        np.add(total, summed.reshape(total.shape), out=total)


def _norms(parts: Sequence[Tensor]) -> Tensor:
    """The norm of each row over all parameters, in double precision."""
    norm = require("torch", extra="deep").linalg.vector_norm
    lengths = [norm(part.double(), dim=1) for part in parts]
    return norm(require("torch", extra="deep").stack(lengths), dim=0)
