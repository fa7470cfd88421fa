"""P30: gradients that are no numbers pass by clipping, or spoil the sum of the others."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from mechanisms.deep import AUTOENCODER, CRITIC, DOMAIN, batch_of, gradients_of, parameters_of

from dpsynth.mechanisms._clipped_sum import GRID_BITS, clipped_sum, longest, views
from dpsynth.mechanisms._opacus_sum import clipped_sum as reference

NETWORKS = pytest.mark.parametrize("network", [CRITIC, AUTOENCODER], ids=["critic", "autoencoder"])
Sum = Callable[..., np.ndarray]


def broken_at(network, bad: float) -> torch.Tensor:
    """Parameters with which rows that have the first code of the first column give no numbers."""
    parameters = parameters_of(network, DOMAIN)
    views(network.layers(DOMAIN), parameters)[network.layers(DOMAIN)[0].name][0] = bad
    return parameters


def bounded(summed: Sum, network, parameters: torch.Tensor) -> bool:
    """Whether any row, broken or not, moves the sum of any batch by no more than the bound."""
    codes, noise = batch_of(network, DOMAIN, 20)
    broken = codes[:, 0] == 0
    limit = longest(network.layers(DOMAIN)) * (1 + 1e-6)
    for others in (~broken, broken, torch.ones(20, dtype=torch.bool)):
        rest = codes[others], noise[others]
        less = summed(network, DOMAIN, parameters, *rest, clip=1.0)
        for row in range(20):
            one = slice(row, row + 1)
            batch = torch.cat([rest[0], codes[one]]), torch.cat([rest[1], noise[one]])
            move = summed(network, DOMAIN, parameters, *batch, clip=1.0).astype(float) - less
            if not np.linalg.norm(move) <= limit:  # no number is not below the limit either
                return False
    return True


@NETWORKS
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e38])
@pytest.mark.parametrize("summed", [clipped_sum, reference], ids=["fused", "opacus"])
def test_no_row_moves_a_sum_by_more_than_the_bound(summed: Sum, network, bad: float) -> None:
    assert bounded(summed, network, broken_at(network, bad))


def divided(network, domain, parameters, codes, noise, *, clip: float) -> np.ndarray:
    """The broken twin: gradient / max(1, norm / clip), which leaves what is no number as it is."""
    gradients = gradients_of(network, domain, parameters, codes, noise)
    norms = np.linalg.norm(gradients, axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return (gradients / np.maximum(1.0, norms / clip)).sum(0) * 2.0**GRID_BITS


def replaced(network, domain, parameters, codes, noise, *, clip: float) -> np.ndarray:
    """The broken twin: what is no number becomes one after clipping."""
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(
            divided(network, domain, parameters, codes, noise, clip=clip), nan=2.0**GRID_BITS
        )


@NETWORKS
@pytest.mark.parametrize("twin", [divided, replaced])
def test_clipping_by_division_is_caught(twin: Sum, network) -> None:
    assert bounded(twin, network, parameters_of(network, DOMAIN))
    assert not bounded(twin, network, broken_at(network, math.nan))
