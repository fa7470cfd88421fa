"""Training by noisy gradients (DP-SGD: Abadi et al., 2016), a number of steps as one paid access.

The loop that sees rows is here: Poisson batches, clipping, the exact noise. What comes out are parameters and
the state of the optimiser, all computed from noised sums; a run of several rounds passes them back in.
"""

from __future__ import annotations

import contextvars
import hashlib
import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from dpsynth import _validate
from dpsynth._lazy import require
from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms import _opacus_sum
from dpsynth.mechanisms._clipped_sum import (
    DRIFT,
    GRID_BITS,
    Blocks,
    clipped_sum,
    keep_memory,
    longest,
    require_precision,
)
from dpsynth.mechanisms._keystream import KeyStream, random_words
from dpsynth.mechanisms._noise import check_scale, rounded_gaussian
from dpsynth.mechanisms.base import IntArray, Json, Measurement
from dpsynth.mechanisms.networks import NETWORKS, Network, Tensor, parameter_count
from dpsynth.mechanisms.queries import check_names
from dpsynth.privacy.composition import root_up, up
from dpsynth.privacy.events import PoissonGaussianEvent

if TYPE_CHECKING:
    from dpsynth.mechanisms.encoded import EncodedTable
    from dpsynth.privacy.unit import Unit
    from dpsynth.schema.layout import Domain

__all__ = ["DpSgd", "TrainingState", "row_sampling_threshold"]

_COARSE_BITS = 28
_SHIFT = GRID_BITS - _COARSE_BITS
_WORD = 2**32
_BETAS = (0.9, 0.99)
_TINY = 1e-12
_LARGEST_BATCH = 2**18
_ENGINES = ("fused", "exact", "opacus")
_TURN = 2 ** (64 - _SHIFT)  # sums of 64 bits are known up to multiples of it, on the coarser grid

FloatArray = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TrainingState:
    """Public numbers: where training stands. All arrays have one entry for each parameter.

    Attributes:
        parameters: Of the network.
        average: Their moving average over the steps.
        first: Moving average of the gradients.
        second: Moving average of their squares.
        steps: Steps done.
    """

    parameters: FloatArray
    average: FloatArray
    first: FloatArray
    second: FloatArray
    steps: int = 0

    @classmethod
    def fresh(cls, parameters: FloatArray) -> TrainingState:
        """Before the first step."""
        nothing = np.zeros(parameters.shape, np.float32)
        return cls(parameters=parameters, average=parameters, first=nothing, second=nothing)

    @classmethod
    def after(cls, measurement: Measurement, steps: int) -> TrainingState:
        """What a measurement of `DpSgd` holds; `steps` in all."""
        parameters, average, first, second = measurement.values
        return cls(parameters=parameters, average=average, first=first, second=second, steps=steps)

    def arrays(self) -> tuple[FloatArray, ...]:
        """All numbers, in the order of a measurement's values."""
        return (self.parameters, self.average, self.first, self.second)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DpSgd:
    """Some steps of Adam (Kingma and Ba, 2015) on noised sums of clipped gradients.

    Attributes:
        network: Whose losses.
        start: Where training stands.
        steps: How many steps, each with a batch of its own.
        sampling_rate: Probability with which a unit has any row in a batch. Public.
        noise_multiplier: sigma divided by the largest change that one unit can make to a sum.
        clip: Largest norm of a row's gradient.
        batch: Public estimate of the rows in a batch. Sums are divided by it, never by a batch's own number
            of rows (pitfall P35).
        learning_rate: Of Adam.
        averaging: Weight of the past in the average of the parameters.
        public: Rows of codes, one column each, whose gradients join without noise: made-up rows, or samples
            of noisy answers. An array of shape (0, columns) for none.
        public_batch: So many of them in each step, in turns.
        public_weight: Weight of their mean gradient.
        columns: What a row of the network has, by name; all modelled columns if there are none.
        engine: Who computes the clipped sums: "fused" in one backward pass, the first 4,096 rows of a batch
            in single precision, whose error is charged; "exact" the same in whole numbers throughout; or
            "opacus", the slow reference that forms the gradient of each row.

    Privacy: unit as given to `run`; neighbours differ by adding or removing one, with at most k rows. Rows
        join a batch independently, with the probability at which k rows have none in it with probability
        1 - `sampling_rate`. A unit that has rows in a batch moves the sum by k `clip` at most, and what
        rounding adds (see `_clipped_sum`). Given which of its rows are in, the outputs with and without the
        unit are two Gaussians at most that far apart; by joint convexity a step is dominated, in both
        directions, by the Gaussian mechanism of multiplier `noise_multiplier` on a Poisson sample at
        `sampling_rate`. An empty batch is a sum of zero with the same noise (pitfall P28). Every step has a
        fresh batch and fresh noise (pitfall P29); everything else is computed from the noised sums. Event:
        `PoissonGaussianEvent`.
    """

    network: Network
    start: TrainingState
    steps: int
    sampling_rate: float
    noise_multiplier: float
    batch: float
    public: IntArray
    clip: float = 1.0
    learning_rate: float = 1e-3
    averaging: float = 0.99
    public_batch: int = 1024
    public_weight: float = 0.0
    columns: tuple[str, ...] = ()
    engine: str = "fused"
    digest: str = field(init=False, default="")

    def __post_init__(self) -> None:
        if type(self.network) not in NETWORKS:
            raise ConfigurationError(
                f"Expected a network of dpsynth.mechanisms, got {type(self.network).__name__}: only losses "
                "that are known to treat each row by itself may see rows."
            )
        for name in ("batch", "clip", "learning_rate"):
            _validate.positive(name, getattr(self, name))
        _validate.fraction("averaging", self.averaging)
        _validate.non_negative("public_weight", self.public_weight)
        _validate.count("public_batch", self.public_batch)
        _validate.one_of("engine", self.engine, _ENGINES)
        self.event()  # refuses what cannot be priced
        arrays: tuple[np.ndarray[Any, Any], ...] = (*self.start.arrays(), self.public)
        told = hashlib.sha256()
        for array in arrays:
            told.update(f"{array.dtype.str} {array.shape} ".encode())
            told.update(np.ascontiguousarray(array).tobytes())
        object.__setattr__(self, "digest", told.hexdigest())

    def event(self) -> PoissonGaussianEvent:
        """The price."""
        return PoissonGaussianEvent(
            sampling_rate=self.sampling_rate, noise_multiplier=self.noise_multiplier, steps=self.steps
        )

    def describe(self) -> Json:
        """Public JSON; the arrays by their digest."""
        numbers = ("sampling_rate", "noise_multiplier", "batch", "clip", "learning_rate", "averaging")
        return {
            "type": "dp-sgd/1",
            "network": self.network.describe(),
            "done": self.start.steps,
            "steps": self.steps,
            **{name: float(getattr(self, name)) for name in numbers},
            "columns": list(self.columns),
            "public_batch": self.public_batch,
            "public_weight": float(self.public_weight),
            "engine": self.engine,
            "arrays": self.digest,
        }

    def blocks(self) -> Blocks:
        """How a batch is divided."""
        return Blocks.of(self.batch, single=self.engine == "fused")

    def sigma(self, domain: Domain, unit: Unit) -> float:
        """The sigma of the noise on each sum, in steps of clip 2^-28, rounded up; needs no data."""
        layers = self.network.layers(domain.only(self.columns))
        rounding = root_up(Fraction(sum(layer.size for layer in layers)))
        clipped = Fraction(longest(layers)) / 2**_SHIFT * unit.contributions
        inexact = Fraction(DRIFT) + Fraction(self.blocks().round_off())
        moved = clipped + inexact * 2**_COARSE_BITS + Fraction(rounding)
        return check_scale(up(Fraction(self.noise_multiplier) * moved))

    def check(self, domain: Domain, unit: Unit) -> None:
        """Refuse what cannot run, before anything is spent; needs no data."""
        require("opacus" if self.engine == "opacus" else "torch", extra="deep")
        if unit.relation != "add_remove":
            raise ConfigurationError(
                "Training on rows is priced for the relation add_remove only. Declare it for the unit, or "
                "take a method that counts, for example `auto`."
            )
        check_names(self.columns, domain)
        if self.batch > _LARGEST_BATCH:
            raise ConfigurationError(
                f"Expected a batch of at most {_LARGEST_BATCH} rows, got {self.batch:,.0f}: larger sums "
                "would leave 64 bits. Take a smaller sampling_rate."
            )
        self.sigma(domain, unit)
        row_sampling_threshold(self.sampling_rate, unit.contributions)
        read = domain.only(self.columns)
        size = parameter_count(self.network, read)
        if any(array.shape != (size,) or array.dtype != np.float32 for array in self.start.arrays()):
            raise ConfigurationError(f"Expected a start with {size} single-precision parameters.")
        shape = (len(self.public), len(read.sizes))
        if self.public.shape != shape or not np.issubdtype(self.public.dtype, np.integer):
            raise ConfigurationError("Expected public rows as codes, one column for each that is read.")
        if len(self.public) and not ((self.public >= 0).all() and (self.public < np.array(read.sizes)).all()):
            raise ConfigurationError("Expected public rows with codes of the schema.")

    def run(self, table: EncodedTable, unit: Unit) -> Measurement:
        """Train. Called by a session only, after the price is reserved."""
        self.check(table.domain, unit)
        return self._measured(_Training(self, table, unit).finished())

    def without_answer(self) -> Measurement:
        """What stands for a round whose answer was lost: no update. Public; needs no data."""
        return self._measured(tuple(array.copy() for array in self.start.arrays()))

    def _measured(self, values: tuple[FloatArray, ...]) -> Measurement:
        for value in values:
            value.setflags(write=False)
        return Measurement(
            mechanism=self.describe(), event=self.event(), values=values, sigmas=(0.0,) * len(values)
        )


def row_sampling_threshold(sampling_rate: float, contributions: int) -> int:
    """A row joins a batch if its 32-bit word is below this: so k rows are all out with at least 1 - rate."""
    rate = 1.0 if sampling_rate == 1 else -math.expm1(math.log1p(-sampling_rate) / contributions)
    threshold = _WORD if rate == 1 else math.floor(rate * (1 - 1e-12) * _WORD)
    if threshold < 1:
        raise ConfigurationError(f"Expected a larger sampling_rate, got {sampling_rate!r}.")
    return threshold


def _wrapped(noised: IntArray) -> IntArray:
    """Noised sums as the representatives of their remainders that are nearest to zero.

    Sums of more than 2^19 rows may leave 64 bits and come back at the other end: then one row can move the
    exact sum from end to end, which no noise covers. What is left of the noised sums here is their remainder,
    and the remainder of a sum that was wrapped is that of the sum itself (pitfall P25).
    """
    nearest: IntArray = (noised + _TURN // 2) % _TURN - _TURN // 2
    return nearest


def _own_stream() -> KeyStream:
    """Words for the noise of losses, apart from the mechanism's, which another thread draws meanwhile."""
    seed, blocks = random_words(4).tobytes(), itertools.count()
    return KeyStream(lambda count: hashlib.shake_256(seed + b"%d" % next(blocks)).digest(count))


def _normal(stream: KeyStream, size: int) -> FloatArray:
    """Normal numbers for the losses. Nothing is hidden by them: their law need not be exact."""
    from scipy.special import ndtri

    words = stream.words(-(-size // 2)).view(np.uint32)[:size]
    drawn: FloatArray = ndtri((words + 0.5) / _WORD).astype(np.float32)
    return drawn


class _Training:
    """One run of the loop. Everything after `_noised` is computed from noised sums."""

    def __init__(self, asked: DpSgd, table: EncodedTable, unit: Unit) -> None:
        torch = require("torch", extra="deep")
        self._asked, self._domain = asked, table.domain.only(asked.columns)
        self._rows = table.private_rows
        self._threshold = row_sampling_threshold(asked.sampling_rate, unit.contributions)
        self._sigma = asked.sigma(table.domain, unit)
        self._offsets = np.cumsum([0, *self._domain.sizes[:-1]])
        columns = [table.codes(name).astype(np.int32) for name in self._domain.columns]
        self._codes = np.stack(columns, axis=1) + self._offsets.astype(np.int32)
        self._public = asked.public + self._offsets
        self._stream = _own_stream()
        # A graphics processor where there is one. The noise, and what hides rows, stays with the system's.
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if asked.blocks().single:
            require_precision(self._device)
        state = [torch.tensor(array, device=self._device) for array in asked.start.arrays()]
        self._parameters, self._average, self._first, self._second = state

    def finished(self) -> tuple[FloatArray, ...]:
        """The state after all steps."""
        size = len(self._parameters)
        keep_memory()
        with ThreadPoolExecutor(1) as pool:
            for step in range(self._asked.steps):
                chosen = self._batch()  # before the noise: words of tests come from one stream
                # Noise depends on nothing: it is drawn while the gradients are computed.
                run = contextvars.copy_context().run
                noise = pool.submit(run, rounded_gaussian, self._sigma, size)
                noised = _wrapped(self._exact(chosen) + noise.result())
                self._move(self._gradient(noised, step), self._asked.start.steps + step + 1)
        state = (self._parameters, self._average, self._first, self._second)
        return tuple(tensor.cpu().numpy() for tensor in state)

    def _batch(self) -> Any:
        """The rows of a fresh Poisson batch."""
        words = random_words(-(-self._rows // 2)).view(np.uint32)[: self._rows]
        return np.flatnonzero(words < self._threshold) if self._threshold < _WORD else slice(None)

    def _exact(self, chosen: Any) -> IntArray:
        """The sum over a batch, on the coarser grid."""
        total = self._sum(self._codes[chosen], public=False)
        return (total + (1 << _SHIFT - 1)) >> _SHIFT

    def _sum(self, codes: IntArray, *, public: bool) -> IntArray:
        torch, asked, device = require("torch", extra="deep"), self._asked, self._device
        shape = (len(codes), asked.network.noise_size)
        noise = _normal(self._stream, math.prod(shape)).reshape(shape)
        rows = [torch.from_numpy(codes.astype(np.int64)), torch.from_numpy(noise)]
        if asked.engine == "opacus":
            order = (asked.network, self._domain, self._parameters.cpu())
            return _opacus_sum.clipped_sum(*order, *rows, clip=asked.clip, public=public)
        order, rows = (asked.network, self._domain, self._parameters), [part.to(device) for part in rows]
        return clipped_sum(*order, *rows, clip=asked.clip, public=public, blocks=asked.blocks())

    def _gradient(self, noised: IntArray, step: int) -> Tensor:
        """The noised mean gradient, and that of public rows."""
        torch, asked = require("torch", extra="deep"), self._asked
        gradient = noised * (asked.clip * 2.0**-_COARSE_BITS / asked.batch)
        if asked.public_weight and len(self._public):
            size = min(asked.public_batch, len(self._public))
            turn = (asked.start.steps + step) * size + np.arange(size)
            total = self._sum(self._public[turn % len(self._public)], public=True)
            gradient = gradient + total * (asked.clip * 2.0**-GRID_BITS * asked.public_weight / size)
        return torch.from_numpy(gradient.astype(np.float32)).to(self._device)

    def _move(self, gradient: Tensor, step: int) -> None:
        """One step of Adam, and of the average."""
        asked, (first, second) = self._asked, _BETAS
        self._first.mul_(first).add_(gradient, alpha=1 - first)
        self._second.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        spread = (self._second / (1 - second**step)).sqrt_().add_(_TINY)
        self._parameters.addcdiv_(self._first, spread, value=-asked.learning_rate / (1 - first**step))
        self._average.lerp_(self._parameters, 1 - asked.averaging)
