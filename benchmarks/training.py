"""Rows a second of private training: the fused engine, Opacus hooks, and plain PyTorch without privacy.

    python benchmarks/training.py [--batch 1024] [--repeats 20]

A critic 120-256-256-1 over 13 columns with 120 codes together. *sum*: clipped sum of the gradients of one
batch; *step*: a whole step with noise and Adam, for `DpSgd` on Poisson batches of that size on average.
"plain" and "Opacus" read a dense one-hot, which is made beforehand. Medians. All but the reference run on a
graphics processor where there is one.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from opacus import GradSampleModule
from opacus.grad_sample import GradSampleModuleFastGradientClipping
from opacus.optimizers import DPOptimizer, DPOptimizerFastGradientClipping
from opacus.utils.fast_gradient_clipping_utils import DPTensorFastGradientClipping

from dpsynth.mechanisms import Critic, DpSgd, TrainingState, parameter_count
from dpsynth.mechanisms import _clipped_sum as fused
from dpsynth.mechanisms import _opacus_sum as reference
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.privacy import Unit
from dpsynth.schema.layout import Domain

SIZES = (10,) * 8 + (8,) * 5
ROWS = 40_000
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
HIDDEN = (256, 256)


def median_of(action: Callable[[], Any], repeats: int) -> float:
    settle = torch.cuda.synchronize if DEVICE == "cuda" else int  # nothing to wait for
    action()
    seconds = []
    for _ in range(repeats):
        settle()
        start = time.perf_counter()
        action()
        settle()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def network() -> Any:
    layers: list[torch.nn.Module] = []
    for inputs, outputs in itertools.pairwise((sum(SIZES), *HIDDEN, 1)):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.LeakyReLU(0.1)]
    return torch.nn.Sequential(*layers[:-1]).to(DEVICE)


def stepping(codes: torch.Tensor, kind: str = "plain") -> Callable[[], None]:
    """A step of plain PyTorch, or of Opacus with its default hooks or its ghost clipping."""
    trained, settings = network(), {"noise_multiplier": 1.0, "max_grad_norm": 1.0}
    optimiser: Any = torch.optim.Adam(trained.parameters())
    if kind == "hooks":
        trained = GradSampleModule(trained)
        optimiser = DPOptimizer(optimiser, expected_batch_size=len(codes), **settings)
    if kind == "ghost":
        trained = GradSampleModuleFastGradientClipping(trained, max_grad_norm=1.0)
        optimiser = DPOptimizerFastGradientClipping(optimiser, expected_batch_size=len(codes), **settings)
    dense = torch.zeros(len(codes), sum(SIZES)).scatter_(1, codes.cpu(), 1.0).to(DEVICE)

    def step() -> None:
        optimiser.zero_grad()
        losses = torch.nn.functional.softplus(-trained(dense)[:, 0])
        if kind == "ghost":
            DPTensorFastGradientClipping(trained, optimiser, losses).backward()
        else:
            losses.mean().backward()
        optimiser.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=20)
    args = parser.parse_args()
    warnings.filterwarnings("ignore", message="Full backward hook is firing")
    domain = Domain(columns=tuple(f"c{i}" for i in range(len(SIZES))), sizes=SIZES)
    critic, rng = Critic(hidden=HIDDEN), np.random.default_rng(0)
    columns = {name: rng.integers(0, size, ROWS) for name, size in zip(domain.columns, SIZES, strict=True)}
    numbered = np.stack(list(columns.values()), axis=1) + np.cumsum([0, *SIZES[:-1]])
    start = rng.normal(0, 0.05, parameter_count(critic, domain)).astype(np.float32)
    codes, parameters = torch.from_numpy(numbered[: args.batch]), torch.from_numpy(start)
    noise = torch.zeros((args.batch, 0))
    steps = 5
    training = DpSgd(
        network=critic,
        start=TrainingState.fresh(start),
        steps=steps,
        sampling_rate=args.batch / ROWS,
        noise_multiplier=1.0,
        batch=args.batch,
        public=np.zeros((0, len(SIZES)), np.int64),
    )
    table = EncodedTable(domain, columns, rows=ROWS)

    def summed(engine: Any, device: str, **more: Any) -> Callable[[], Any]:
        rows = [part.to(device) for part in (parameters, codes, noise)]
        return lambda: engine.clipped_sum(critic, domain, *rows, clip=1.0, **more)

    fused.keep_memory()
    single, exact = (fused.Blocks.of(args.batch, single=one) for one in (True, False))
    seconds = {
        "plain PyTorch, step": median_of(stepping(codes), args.repeats),
        "fused, sum": median_of(summed(fused, DEVICE, blocks=single), args.repeats),
        "exact, sum": median_of(summed(fused, DEVICE, blocks=exact), args.repeats),
        "fused, step": median_of(lambda: training.run(table, Unit()), args.repeats) / steps,
        "Opacus ghost clipping, step": median_of(stepping(codes, "ghost"), args.repeats),
        "Opacus hooks, step": median_of(stepping(codes, "hooks"), max(args.repeats // 4, 2)),
        "reference engine (Opacus, exact), sum": median_of(summed(reference, "cpu"), 2),
    }
    print("| what | rows/s | to plain PyTorch | to Opacus hooks |\n|---|---:|---:|---:|")
    for what, each in seconds.items():
        to_plain, to_opacus = seconds["plain PyTorch, step"] / each, seconds["Opacus hooks, step"] / each
        print(f"| {what} | {args.batch / each:,.0f} | {to_plain:.2f} | {to_opacus:.1f} |")


if __name__ == "__main__":
    main()
