from __future__ import annotations

import json
import math

import pytest
import torch
from mechanisms.deep import AUTOENCODER, CRITIC, DOMAIN, Plain, batch_of, losses_of, parameters_of

from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms import Autoencoder, Critic, Layer, parameter_count
from dpsynth.mechanisms.networks import NETWORKS

BOTH = pytest.mark.parametrize("network", [CRITIC, AUTOENCODER], ids=["critic", "autoencoder"])


def test_the_set_of_networks_is_closed() -> None:
    assert set(NETWORKS) == {Autoencoder, Critic}


def test_layers_lead_from_codes_to_what_the_loss_needs() -> None:
    shapes = [
        (layer.inputs, layer.outputs, layer.embedding) for layer in Critic(hidden=(7, 5)).layers(DOMAIN)
    ]
    assert shapes == [(9, 7, True), (7, 5, False), (5, 1, False)]
    layers = Autoencoder(hidden=(7, 5), latent=2).layers(DOMAIN)
    assert [(layer.inputs, layer.outputs) for layer in layers] == [
        (9, 7),
        (7, 5),
        (5, 4),
        (2, 5),
        (5, 7),
        (7, 9),
    ]
    assert [layer.embedding for layer in layers] == [True, *[False] * 5]
    assert len({layer.name for layer in layers}) == 6


def test_a_layer_has_a_matrix_and_a_bias() -> None:
    assert Layer(name="x", inputs=3, outputs=4).size == 16
    assert parameter_count(CRITIC, DOMAIN) == 10 * 5 + 6 * 1


def test_the_critic_learns_a_logarithm_of_a_ratio() -> None:
    parameters = parameters_of(CRITIC, DOMAIN)
    codes, noise = batch_of(CRITIC, DOMAIN, 20)
    logits = CRITIC.logits(Plain(CRITIC, DOMAIN, parameters), codes)
    private = losses_of(CRITIC, DOMAIN, parameters, codes, noise)
    public = losses_of(CRITIC, DOMAIN, parameters, codes, noise, public=True)
    torch.testing.assert_close(private, -torch.log(torch.sigmoid(logits)))
    torch.testing.assert_close(public, -torch.log(1 - torch.sigmoid(logits)))


def test_the_autoencoder_bounds_the_likelihood() -> None:
    parameters = parameters_of(AUTOENCODER, DOMAIN, size=2.0).double()
    codes, noise = batch_of(AUTOENCODER, DOMAIN, 20)
    layers = Plain(AUTOENCODER, DOMAIN, parameters)
    mean, spread = AUTOENCODER.encode(layers, codes)
    assert mean.shape == spread.shape == (20, 2)
    logits = AUTOENCODER.decode(layers, mean + torch.exp(spread / 2) * noise)
    expected = torch.zeros(20, dtype=torch.float64)
    for column, part in enumerate(logits.split(DOMAIN.sizes, 1)):
        own = codes[:, column] - sum(DOMAIN.sizes[:column])
        expected += torch.nn.functional.cross_entropy(part, own, reduction="none")
    normal = torch.distributions.Normal(mean, torch.exp(spread / 2))
    expected += torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(AUTOENCODER.losses(layers, DOMAIN, codes, noise), expected)
    torch.testing.assert_close(AUTOENCODER.public_losses(layers, DOMAIN, codes, noise), expected)


def test_the_spread_of_the_latent_vector_is_bounded() -> None:
    layers = Plain(AUTOENCODER, DOMAIN, parameters_of(AUTOENCODER, DOMAIN, size=1e3))
    _, spread = AUTOENCODER.encode(layers, batch_of(AUTOENCODER, DOMAIN, 200)[0])
    assert (float(spread.min()), float(spread.max())) == (-8.0, 4.0)


def test_the_prior_weight_counts() -> None:
    parameters = parameters_of(AUTOENCODER, DOMAIN)
    batch = batch_of(AUTOENCODER, DOMAIN, 5)
    heavy, light = (
        losses_of(Autoencoder(hidden=(5,), latent=2, prior_weight=weight), DOMAIN, parameters, *batch)
        for weight in (2.0, 1.0)
    )
    assert bool((heavy > light).all())


@BOTH
@pytest.mark.parametrize("public", [False, True])
def test_one_loss_for_each_row(network, public: bool) -> None:
    parameters = parameters_of(network, DOMAIN)
    found = losses_of(network, DOMAIN, parameters, *batch_of(network, DOMAIN, 11), public=public)
    assert found.shape == (11,)
    assert bool((found > 0).all())


def test_descriptions_are_stable_json() -> None:
    told = [
        CRITIC.describe(),
        Critic().describe(),
        AUTOENCODER.describe(),
        Autoencoder(hidden=(5,), latent=3).describe(),
        Autoencoder(hidden=(5,), latent=2, prior_weight=0.5).describe(),
    ]
    texts = {json.dumps(one, sort_keys=True) for one in told}
    assert len(texts) == len(told)
    assert CRITIC.describe() == {"type": "critic/1", "hidden": [5]}


@pytest.mark.parametrize(
    ("kind", "asked", "words"),
    [
        (Critic, {"hidden": ()}, "number of hidden layers"),
        (Critic, {"hidden": (0,)}, "hidden"),
        (Critic, {"hidden": (2.5,)}, "hidden"),
        (Autoencoder, {"hidden": ()}, "number of hidden layers"),
        (Autoencoder, {"latent": 0}, "latent"),
        (Autoencoder, {"prior_weight": 0.0}, "prior_weight"),
        (Autoencoder, {"prior_weight": math.nan}, "prior_weight"),
    ],
)
def test_impossible_networks_are_refused(kind, asked: dict, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        kind(**asked)
