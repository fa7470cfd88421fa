"""P31: records of a batch influence each other in the network: batch normalisation, packing, penalties."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mechanisms.deep import AUTOENCODER, CRITIC, DOMAIN, asked, batch_of, losses_of, parameters_of
from torch import nn

from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms import Autoencoder, Critic
from dpsynth.mechanisms._opacus_sum import clipped_rows
from dpsynth.mechanisms.networks import NETWORKS


class Normalised(Critic):
    """The broken twin: batch normalisation."""

    def losses(self, layers: Any, domain: Any, codes: Any, noise: Any) -> Any:
        logits = self.logits(layers, codes)
        return nn.functional.softplus(-(logits - logits.mean()) / logits.std())


class Packed(Critic):
    """The broken twin: two records in one input of the critic."""

    def losses(self, layers: Any, domain: Any, codes: Any, noise: Any) -> Any:
        logits = self.logits(layers, codes)
        return nn.functional.softplus(-logits - logits.roll(1))


class Penalised(Autoencoder):
    """The broken twin: a penalty on the mean of the batch."""

    def losses(self, layers: Any, domain: Any, codes: Any, noise: Any) -> Any:
        mean, _ = self.encode(layers, codes)
        return super().losses(layers, domain, codes, noise) + mean.mean(0).square().sum()


def apart(network: Any, *, public: bool = False) -> bool:
    """Whether the loss of a row is the same whatever the other rows are, and however many."""
    parameters = parameters_of(network, DOMAIN).double()
    codes, noise = batch_of(network, DOMAIN, 40)
    noise = noise.double()
    whole = losses_of(network, DOMAIN, parameters, codes, noise, public=public)
    for row in range(8):
        for others in (batch_of(network, DOMAIN, 40, seed=row + 10)[0], codes[:3]):
            mixed = torch.cat([codes[row : row + 1], others])
            drawn = torch.cat([noise[row : row + 1], noise[: len(others)]])
            found = losses_of(network, DOMAIN, parameters, mixed, drawn, public=public)
            if abs(float(found[0] - whole[row])) > 1e-9:
                return False
    return True


@pytest.mark.parametrize("public", [False, True])
@pytest.mark.parametrize("network", [CRITIC, AUTOENCODER, Critic(hidden=(4, 4, 4))], ids=str)
def test_the_loss_of_a_row_is_its_own(network, public: bool) -> None:
    assert apart(network, public=public)


@pytest.mark.parametrize("kind", [Normalised, Packed, Penalised])
def test_networks_that_mix_rows_are_caught_and_refused(kind: type) -> None:
    assert not apart(kind(hidden=(5,)))
    assert kind not in NETWORKS
    with pytest.raises(ConfigurationError, match=kind.__name__):
        asked(kind(hidden=(5,)))


@pytest.mark.parametrize(
    "layer",
    [nn.BatchNorm1d(3), nn.BatchNorm1d(3, affine=False, track_running_stats=False)],
    ids=["with parameters", "without"],
)
def test_batch_normalisation_is_refused_by_name(layer: nn.Module) -> None:
    module = nn.Sequential(nn.Linear(2, 3), layer, nn.Linear(3, 1))
    rows = torch.arange(8.0).reshape(4, 2)
    with torch.no_grad():
        assert (
            abs(float(module(rows)[0] - module(rows * torch.tensor([[1.0], [5.0], [5.0], [5.0]]))[0])) > 1e-4
        )
    with pytest.raises(ConfigurationError, match=r"'1' \(BatchNorm1d\)"):
        clipped_rows(module, lambda x: module(x)[:, 0], [rows], clip=1.0)
