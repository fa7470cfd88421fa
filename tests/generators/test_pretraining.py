from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from generators.deep import chain, schema_of
from mechanisms.deep import Plain, losses_of

from dpsynth.errors import ConfigurationError
from dpsynth.generators import pretraining
from dpsynth.generators.deep import as_table
from dpsynth.generators.pretraining import (
    Pretraining,
    Weights,
    components,
    first_parameters,
    numbered,
    pretrained,
)
from dpsynth.mechanisms import Autoencoder, Critic, Network, parameter_count

SCHEMA = schema_of(2, 3, 4)
DOMAIN = SCHEMA.domain
CODER = Autoencoder(hidden=(16,), latent=3, prior_weight=0.5)
ROWS = as_table(SCHEMA, chain(600, 2, 3, 4))
QUICK = Pretraining(rows=600, epochs=4, batch=50, learning_rate=0.01)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def loss_of(parameters: np.ndarray, rows: np.ndarray = ROWS) -> float:
    noise = rng(9).standard_normal((len(rows), CODER.latent), np.float32)
    codes = torch.from_numpy(numbered(DOMAIN, rows))
    return float(
        losses_of(CODER, DOMAIN, torch.from_numpy(parameters), codes, torch.from_numpy(noise)).mean()
    )


def test_codes_are_numbered_over_all_columns() -> None:
    rows = np.array([[0, 0, 0], [1, 2, 3]])
    np.testing.assert_array_equal(numbered(DOMAIN, rows), [[0, 2, 5], [1, 4, 8]])


@pytest.mark.parametrize("network", [CODER, Critic(hidden=(400, 300))], ids=str)
def test_first_parameters_are_as_large_as_their_layer_asks(network: Network) -> None:
    found = first_parameters(network, DOMAIN, rng())
    assert found.shape == (parameter_count(network, DOMAIN),)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, first_parameters(network, DOMAIN, rng()))
    start = 0
    for layer in network.layers(DOMAIN):
        matrix = found[start : start + layer.size].reshape(-1, layer.outputs)
        fan = 3 if layer.embedding else layer.inputs
        start += layer.size
        assert not matrix[-1].any()
        error = 6 / np.sqrt(2 * layer.inputs * layer.outputs)
        assert matrix[:-1].std() == pytest.approx(np.sqrt(2 / fan), rel=error)


def test_layers_are_applied_as_written_out() -> None:
    parameters = torch.from_numpy(first_parameters(CODER, DOMAIN, rng()) + 0.1)
    weights, plain = Weights(CODER.layers(DOMAIN), parameters), Plain(CODER, DOMAIN, parameters)
    codes = torch.from_numpy(numbered(DOMAIN, ROWS[:5]))
    latent = torch.ones(5, 3)
    for name, inputs in (("encoder.0", codes), ("decoder.0", latent)):
        torch.testing.assert_close(weights.apply(name, inputs), plain.apply(name, inputs))
    # Weights of codes in place of codes: of one each, they are the codes.
    hot = torch.zeros(5, 9).scatter_(1, codes, 1.0)
    torch.testing.assert_close(weights.apply("encoder.0", hot), plain.apply("encoder.0", codes))


def test_pretraining_is_deterministic_and_lowers_the_loss() -> None:
    found = [pretrained(CODER, DOMAIN, ROWS, QUICK, rng(seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(found[0] - found[2]).max() > 0.1
    assert loss_of(found[0]) < 0.8 * loss_of(first_parameters(CODER, DOMAIN, rng(1)))
    assert found[0].dtype == np.float32


def test_a_critic_can_be_pretrained_too() -> None:
    critic = Critic(hidden=(8,))
    found = pretrained(critic, DOMAIN, ROWS[:100], QUICK, rng())
    weights = Weights(critic.layers(DOMAIN), torch.from_numpy(found))
    assert critic.logits(weights, torch.from_numpy(numbered(DOMAIN, ROWS[:100]))).mean() > 0.5


@pytest.mark.parametrize("rows", [1, 30, 70])
def test_fewer_rows_than_a_batch_are_seen_in_every_epoch(rows: int) -> None:
    long = Pretraining(rows=rows, epochs=8, batch=50, learning_rate=0.01)
    found = pretrained(CODER, DOMAIN, ROWS[:rows], long, rng(1))
    assert np.isfinite(found).all()
    assert loss_of(found, ROWS[:rows]) < loss_of(first_parameters(CODER, DOMAIN, rng(1)), ROWS[:rows])


def test_every_row_is_seen_once_in_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []

    def losses(self: Any, layers: Any, domain: Any, codes: Any, noise: Any) -> Any:
        seen.append(codes.numpy().copy())
        return layers.apply("encoder.0", codes).sum(1)

    monkeypatch.setattr(Autoencoder, "losses", losses)
    pretrained(CODER, DOMAIN, ROWS[:100], Pretraining(rows=100, epochs=2, batch=20), rng())
    assert [len(codes) for codes in seen] == [20] * 10
    for epoch in (seen[:5], seen[5:]):
        one = np.sort(np.concatenate(epoch), axis=0)
        np.testing.assert_array_equal(one, np.sort(numbered(DOMAIN, ROWS[:100]), axis=0))


def test_components_are_distributions(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = pretrained(CODER, DOMAIN, ROWS, QUICK, rng(1))
    before = parameters.copy()
    tables = components(CODER, DOMAIN, parameters, ROWS, rng(2))
    np.testing.assert_array_equal(parameters, before)
    assert tables.shape == (600, 9)
    assert tables.dtype == np.float32
    assert (tables >= 0).all()
    for part in np.split(tables, [2, 5], axis=1):
        np.testing.assert_allclose(part.sum(1), 1.0, rtol=1e-5)
    # The distribution of a row says more about its own codes than a column does by itself.
    own = np.take_along_axis(tables, numbered(DOMAIN, ROWS), 1)
    alone = np.take_along_axis(tables.mean(0)[None], numbered(DOMAIN, ROWS), 1)
    assert np.log(own).mean() > np.log(alone).mean() + 0.1
    monkeypatch.setattr(pretraining, "_AT_ONCE", 64)
    np.testing.assert_allclose(components(CODER, DOMAIN, parameters, ROWS, rng(2)), tables, atol=1e-5)


@pytest.mark.parametrize(
    "options", [{"rows": 0}, {"epochs": 0}, {"batch": 0}, {"learning_rate": 0.0}], ids=str
)
def test_impossible_numbers_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        Pretraining(**options)
