"""The same on a graphics processor; skipped where there is none, so nothing else may depend on it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from mechanisms.deep import AUTOENCODER, CRITIC, DOMAIN, STEP, asked, batch_of, parameters_of, table_of

from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms import Autoencoder, Critic, dp_sgd
from dpsynth.mechanisms._clipped_sum import DRIFT, Blocks, clipped_sum, require_precision
from dpsynth.privacy.unit import Unit

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no graphics processor")

BOTH = pytest.mark.parametrize("network", [CRITIC, AUTOENCODER], ids=["critic", "autoencoder"])


@pytest.fixture
def short_products() -> Iterator[None]:
    torch.backends.cuda.matmul.allow_tf32 = True
    yield
    torch.backends.cuda.matmul.allow_tf32 = False


@BOTH
@pytest.mark.parametrize("single", [0, 9])
def test_sums_are_those_of_the_processor(network, single: int) -> None:
    parameters, batch = parameters_of(network, DOMAIN), batch_of(network, DOMAIN, 900)
    blocks = Blocks(rows=320, single=single)
    found = clipped_sum(
        network, DOMAIN, parameters.cuda(), *(part.cuda() for part in batch), clip=0.5, blocks=blocks
    )
    exact = clipped_sum(network, DOMAIN, parameters, *batch, clip=0.5)
    assert np.linalg.norm(found - exact) <= 1e-5 * np.linalg.norm(exact)


@pytest.mark.parametrize(
    "network",
    [CRITIC, AUTOENCODER, Critic(hidden=(128, 128)), Autoencoder(hidden=(256, 256), latent=16)],
    ids=["critic", "autoencoder", "larger critic", "larger autoencoder"],
)
def test_a_row_drifts_less_than_is_charged(network) -> None:
    rows = 700
    parameters, (codes, noise) = parameters_of(network, DOMAIN).cuda(), batch_of(network, DOMAIN, rows)
    orders = [np.arange(rows), np.random.default_rng(2).permutation(rows)]
    parts = [(codes[order].cuda(), noise[order].cuda()) for order in orders]
    first, second = (clipped_sum(network, DOMAIN, parameters, *part, clip=0.5) for part in parts)
    assert np.linalg.norm((first - second).astype(float)) * STEP <= DRIFT * rows / 10_000


def test_short_products_are_refused(short_products: None) -> None:
    with pytest.raises(ConfigurationError, match="single precision"):
        require_precision(torch.device("cuda"))


@BOTH
def test_training_follows_the_same_gradients(network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dp_sgd, "rounded_gaussian", lambda _, size: np.zeros(size, np.int64))
    public = np.stack([np.arange(6) % size for size in DOMAIN.sizes], axis=1)
    training = asked(network, sampling_rate=1.0, steps=1, public=public, public_weight=0.5)
    monkeypatch.setattr(dp_sgd, "_normal", lambda _, size: np.full(size, 0.3, np.float32))
    found = training.run(table_of(300), Unit()).values
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for one, other in zip(found, training.run(table_of(300), Unit()).values, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-6)
