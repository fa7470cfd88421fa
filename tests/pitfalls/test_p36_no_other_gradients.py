"""P36: gradients are written beside the private ones, or hooks are switched off in the middle of a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from mechanisms.deep import CRITIC, DOMAIN, asked, batch_of, parameters_of, quieten, table_of
from torch import nn

from dpsynth.mechanisms import dp_sgd
from dpsynth.mechanisms._clipped_sum import clipped_sum
from dpsynth.mechanisms._opacus_sum import clipped_rows
from dpsynth.mechanisms._opacus_sum import clipped_sum as reference
from dpsynth.privacy.unit import Unit

ENGINES = pytest.mark.parametrize("engine", ["fused", "opacus"])


def polluted(training: Any, *_: Any) -> None:
    """Gradients that somebody else left with the parameters."""
    training._parameters.grad = torch.full_like(training._parameters, 1e9)
    training._parameters.grad_sample = torch.full((7, len(training._parameters)), 1e9)


def end(monkeypatch: pytest.MonkeyPatch, engine: str, *, pollution: bool) -> np.ndarray:
    quieten(monkeypatch)
    start = dp_sgd._Training.__init__

    def init(training: Any, *args: Any) -> None:
        start(training, *args)
        polluted(training)

    with monkeypatch.context() as patched:
        if pollution:
            patched.setattr(dp_sgd._Training, "__init__", init)
        return asked(sampling_rate=1.0, engine=engine).run(table_of(20), Unit()).values[0]


def unmoved(monkeypatch: pytest.MonkeyPatch, engine: str) -> bool:
    """Whether gradients beside the private ones change nothing."""
    return np.array_equal(end(monkeypatch, engine, pollution=False), end(monkeypatch, engine, pollution=True))


@ENGINES
def test_gradients_of_others_have_no_effect(monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    assert unmoved(monkeypatch, engine)


@ENGINES
def test_a_step_that_reads_the_field_of_torch_is_caught(monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    move = dp_sgd._Training._move

    def twin(training: Any, gradient: Any, step: int) -> None:
        """The broken twin: takes what stands in `grad`, and writes there only if nothing does."""
        if training._parameters.grad is None:
            training._parameters.grad = gradient
        move(training, training._parameters.grad, step)

    monkeypatch.setattr(dp_sgd._Training, "_move", twin)
    assert not unmoved(monkeypatch, engine)


@pytest.mark.parametrize("summed", [clipped_sum, reference], ids=["fused", "opacus"])
def test_no_gradient_of_rows_stays_with_the_parameters(summed) -> None:
    parameters = parameters_of(CRITIC, DOMAIN)
    before = parameters.clone()
    summed(CRITIC, DOMAIN, parameters, *batch_of(CRITIC, DOMAIN, 9), clip=1.0)
    assert parameters.grad is None
    assert not hasattr(parameters, "grad_sample")
    assert not parameters.requires_grad
    assert torch.equal(parameters, before)


def test_what_stood_in_the_fields_of_a_module_is_not_added() -> None:
    module, rows = nn.Linear(3, 1), torch.arange(12.0).reshape(4, 3)

    def losses(rows: torch.Tensor) -> torch.Tensor:
        return module(rows)[:, 0]

    clean = clipped_rows(module, losses, [rows], clip=1.0)
    for weights in module.parameters():
        weights.grad = torch.full_like(weights, 1e9)
        weights.grad_sample = torch.full((4, *weights.shape), 1e9)
    again = clipped_rows(module, losses, [rows], clip=1.0)
    assert all(np.array_equal(left, right) for left, right in zip(clean, again, strict=True))


def test_a_part_that_passes_by_the_hooks_is_refused() -> None:
    module = nn.ModuleDict({"seen": nn.Linear(3, 3), "unseen": nn.Linear(3, 1)})

    def losses(rows: torch.Tensor) -> torch.Tensor:
        module["unseen"].train(mode=False)  # the broken twin: no hooks from here on
        return module["unseen"](module["seen"](rows))[:, 0]

    with pytest.raises(ValueError, match="No activations"):
        clipped_rows(module, losses, [torch.ones(4, 3)], clip=1.0)
