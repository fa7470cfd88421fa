from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from mechanisms.deep import CRITIC, DOMAIN, STEP, batch_of, clipped, parameters_of
from torch import nn

from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms import _opacus_sum
from dpsynth.mechanisms._clipped_sum import GRID_BITS
from dpsynth.mechanisms._opacus_sum import clipped_rows, clipped_sum, refuse


def brute_force(module: nn.Module, losses, rows, clip: float) -> np.ndarray:
    trained = [weights for weights in module.parameters() if weights.requires_grad]
    found = []
    for i in range(len(rows[0])):
        parts = torch.autograd.grad(losses(*(part[i : i + 1] for part in rows)).sum(), trained)
        found.append(torch.cat([part.flatten() for part in parts]).double().numpy())
    return clipped(np.array(found), clip).sum(0)


def images(rows: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).normal(size=(rows, 2, 6, 6)).astype(np.float32))


def words(rows: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).integers(0, 7, (rows, 4)))


MODULES = {
    "convolution": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)
        ),
        images,
    ),
    "instances": (lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.InstanceNorm2d(4, affine=True)), images),
    "embedding": (lambda: nn.Sequential(nn.Embedding(7, 5), nn.LayerNorm(5), nn.Linear(5, 2)), words),
    "one layer twice": (lambda: nn.Sequential(*[nn.Linear(6, 6)] * 2, nn.LayerNorm(6)), images),
}


@pytest.mark.parametrize("name", MODULES)
def test_layers_that_opacus_knows_are_clipped_row_by_row(name: str) -> None:
    make, rows_of = MODULES[name]
    torch.manual_seed(0)
    module, rows = make(), rows_of(150)

    def losses(rows: torch.Tensor) -> torch.Tensor:
        return module(rows).flatten(1).square().sum(1)

    expected = brute_force(module, losses, [rows], 0.5)
    sums = clipped_rows(module, losses, [rows], clip=0.5)
    trained = list(module.parameters())
    assert [total.shape for total in sums] == [tuple(weights.shape) for weights in trained]
    assert {total.dtype for total in sums} == {np.dtype(np.int64)}
    found = np.concatenate([total.ravel() for total in sums]) * (0.5 * STEP)
    assert np.linalg.norm(found - expected) <= 1e-5 * np.linalg.norm(expected)
    assert all(weights.grad is None for weights in trained)  # nothing of the rows stays behind
    assert not any(hasattr(weights, "grad_sample") for weights in trained)
    again = clipped_rows(module, losses, [rows], clip=0.5)
    assert all(np.array_equal(left, right) for left, right in zip(sums, again, strict=True))


def test_parameters_that_are_not_trained_have_no_sum() -> None:
    module = nn.Sequential(nn.Linear(6, 3), nn.Linear(3, 1))
    module[0].requires_grad_(False)
    weights, bias = clipped_rows(module, lambda x: module(x)[:, 0], [torch.ones(4, 6)], clip=1.0)
    assert (weights.shape, bias.shape) == ((1, 3), (1,))


def test_a_chunk_is_small_where_a_gradient_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = parameters_of(CRITIC, DOMAIN)
    batch = batch_of(CRITIC, DOMAIN, 50)
    seen: list[int] = []
    whole = clipped_sum(CRITIC, DOMAIN, parameters, *batch, clip=1.0)
    monkeypatch.setattr(_opacus_sum, "_ENTRIES", 7 * len(parameters))
    monkeypatch.setattr(
        _opacus_sum, "_of_rows", lambda *a, f=_opacus_sum._of_rows: (seen.append(a[2]), f(*a))[1]
    )
    in_chunks = clipped_sum(CRITIC, DOMAIN, parameters, *batch, clip=1.0)
    assert set(seen) == {7}
    np.testing.assert_allclose(in_chunks * STEP, whole * STEP, atol=1e-12)
    monkeypatch.setattr(_opacus_sum, "_ENTRIES", 1)
    one_by_one = clipped_sum(CRITIC, DOMAIN, parameters, *batch, clip=1.0)
    assert set(seen) == {1, 7}
    np.testing.assert_allclose(one_by_one * STEP, whole * STEP, atol=1e-12)


def test_rows_beyond_the_bound_and_rows_that_are_no_numbers_add_nothing() -> None:
    module = nn.Linear(1, 1, bias=False)

    def losses(rows: torch.Tensor) -> torch.Tensor:
        return module(rows)[:, 0]

    rows = torch.tensor([[0.25], [0.5], [math.nan], [math.inf], [0.0]])
    (found,) = clipped_rows(module, losses, [rows], clip=1.0)
    assert found.item() == 3 * 2 ** (GRID_BITS - 2)
    (found,) = clipped_rows(module, losses, [rows], clip=1.0, bound=0.3 * 2.0**GRID_BITS)
    assert found.item() == 2 ** (GRID_BITS - 2)
    (found,) = clipped_rows(module, losses, [rows[:2]], clip=0.25)
    assert found.item() == 2 * 2**GRID_BITS


class Counting(nn.Module):
    """Keeps a mean of what passes, and has nothing to train."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(4))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        self.mean += rows.mean(0)
        return rows - self.mean


class OwnBatchNorm(nn.BatchNorm1d):
    """A subclass, which Opacus does not look at."""


REFUSED = {
    "batch normalisation": (nn.BatchNorm1d(4), "BatchNorm1d"),
    "one without parameters": (nn.BatchNorm1d(4, affine=False), "BatchNorm1d"),
    "one that keeps nothing": (nn.BatchNorm1d(4, affine=False, track_running_stats=False), "BatchNorm1d"),
    "one by another name": (OwnBatchNorm(4, track_running_stats=False), "OwnBatchNorm"),
    "over images": (nn.BatchNorm2d(4), "BatchNorm2d"),
    "over processes": (nn.SyncBatchNorm(4), "SyncBatchNorm"),
    "instances that are remembered": (
        nn.InstanceNorm1d(4, affine=True, track_running_stats=True),
        "InstanceNorm1d",
    ),
    "recurrent": (nn.LSTM(4, 4), "LSTM"),
    "gated": (nn.GRU(4, 4), "GRU"),
    "attention": (nn.MultiheadAttention(4, 2), "MultiheadAttention"),
    "a running mean": (Counting(), "Counting"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_layers_that_mix_rows_are_refused_by_name(name: str) -> None:
    layer, kind = REFUSED[name]
    module = nn.ModuleDict({"first": nn.Linear(4, 4), "second": nn.Sequential(layer)})
    for ask in (refuse, lambda one: clipped_rows(one, lambda x: x, [torch.ones(2, 4)], clip=1.0)):
        with pytest.raises(ConfigurationError, match=rf"'second\.0' \({kind}\)"):
            ask(module)


def test_a_module_has_to_train() -> None:
    module = nn.Sequential(nn.Linear(4, 1))
    module[0].eval()
    with pytest.raises(ConfigurationError, match=r"'0' \(Linear\) in training mode"):
        refuse(module)


def test_a_parameter_without_gradients_of_rows_is_refused() -> None:
    module = nn.ModuleList([nn.Linear(4, 1), nn.Linear(4, 1)])

    def losses(rows: torch.Tensor) -> torch.Tensor:
        return (module[0](rows) + nn.functional.linear(rows, module[1].weight))[:, 0]  # passes by the hooks

    with pytest.raises(ConfigurationError, match=r"'1\.weight'"):
        clipped_rows(module, losses, [torch.ones(2, 4)], clip=1.0)
    assert module[0].weight.grad is None


def test_the_global_generator_of_torch_is_left_alone() -> None:
    before = torch.get_rng_state()
    clipped_sum(CRITIC, DOMAIN, parameters_of(CRITIC, DOMAIN), *batch_of(CRITIC, DOMAIN, 3), clip=1.0)
    assert torch.equal(torch.get_rng_state(), before)
