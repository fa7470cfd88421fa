from __future__ import annotations

import itertools
import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanisms.deep import (
    AUTOENCODER,
    CRITIC,
    DOMAIN,
    STEP,
    batch_of,
    clipped,
    gradients_of,
    parameters_of,
)
from opacus.grad_sample import GradSampleModuleFastGradientClipping
from torch import nn

from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms import Autoencoder, Critic, Layer, _clipped_sum
from dpsynth.mechanisms._clipped_sum import DRIFT, GRID_BITS, Blocks, clipped_sum, longest, views
from dpsynth.mechanisms._opacus_sum import clipped_sum as reference
from dpsynth.mechanisms.networks import SLOPE
from dpsynth.schema.layout import Domain

BOTH = pytest.mark.parametrize("network", [CRITIC, AUTOENCODER], ids=["critic", "autoencoder"])
SINGLE = Blocks(rows=320, single=100)
single = partial(clipped_sum, blocks=SINGLE)
ENGINES = pytest.mark.parametrize(
    "engine", [single, clipped_sum, reference], ids=["fused", "exact", "opacus"]
)
BLOCK = Blocks().rows


def domain_of(sizes: list[int]) -> Domain:
    return Domain(columns=tuple(f"x{i}" for i in range(len(sizes))), sizes=tuple(sizes))


@st.composite
def networks(draw: st.DrawFn) -> Autoencoder | Critic:
    hidden = tuple(draw(st.lists(st.integers(1, 6), min_size=1, max_size=3)))
    if draw(st.booleans()):
        return Critic(hidden=hidden)
    return Autoencoder(hidden=hidden, latent=draw(st.integers(1, 3)), prior_weight=draw(st.floats(0.1, 3.0)))


@given(
    network=networks(),
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    rows=st.integers(0, 12),
    seed=st.integers(0, 2**32 - 1),
    size=st.sampled_from([0.0, 0.1, 1.0]),
    clip=st.sampled_from([0.01, 0.7, 3.0]),
    public=st.booleans(),
)
@settings(max_examples=60)
def test_the_sum_is_that_of_single_backward_passes(
    network, sizes: list[int], rows: int, seed: int, size: float, clip: float, public: bool
) -> None:
    domain = domain_of(sizes)
    parameters = parameters_of(network, domain, seed=seed, size=size)
    batch = batch_of(network, domain, rows, seed=seed)
    expected = clipped(gradients_of(network, domain, parameters, *batch, public=public), clip).sum(0)
    for engine in (single, clipped_sum, reference):
        found = engine(network, domain, parameters, *batch, clip=clip, public=public)
        assert found.dtype == np.int64
        # Relative to the gradients of rows, which may cancel in the sum.
        np.testing.assert_allclose(found * (clip * STEP), expected, atol=1e-5 * clip * max(rows, 1), rtol=0)
    if rows == 1 and size and np.linalg.norm(expected) > clip / 100:
        assert np.linalg.norm(found * (clip * STEP) - expected) <= 1e-5 * np.linalg.norm(expected)


@BOTH
@pytest.mark.parametrize("rows", [1, 127, 128, 129, 300])
def test_both_engines_agree_for_whole_and_broken_blocks(network, rows: int) -> None:
    parameters = parameters_of(network, DOMAIN)
    batch = batch_of(network, DOMAIN, rows)
    fused, exact, slow = (
        engine(network, DOMAIN, parameters, *batch, clip=0.5) for engine in (single, clipped_sum, reference)
    )
    assert np.linalg.norm(fused - slow) <= 1e-5 * np.linalg.norm(slow)
    assert np.linalg.norm(exact - slow) <= 1e-5 * np.linalg.norm(slow)
    expected = clipped(gradients_of(network, DOMAIN, parameters, *batch), 0.5).sum(0)
    assert np.linalg.norm(fused * 0.5 * STEP - expected) <= 1e-5 * np.linalg.norm(expected)


@pytest.mark.parametrize("clip", [1e-3, 0.5, 100.0])
def test_the_ghost_clipping_of_opacus_gives_the_same_sum(clip: float) -> None:
    """A third hand: its norms come from hooks, its sum from a second backward pass over weighted losses."""
    parameters = parameters_of(CRITIC, DOMAIN)
    codes, noise = batch_of(CRITIC, DOMAIN, 200)
    matrices = views(CRITIC.layers(DOMAIN), parameters)
    parts: list[nn.Module] = []
    for matrix in matrices.values():
        linear = nn.Linear(len(matrix) - 1, matrix.shape[1])
        linear.weight.data, linear.bias.data = matrix[:-1].T.clone(), matrix[-1].clone()
        parts += [linear, nn.LeakyReLU(SLOPE)]
    hooked = GradSampleModuleFastGradientClipping(
        nn.Sequential(*parts[:-1]), max_grad_norm=clip, loss_reduction="sum"
    )
    dense = torch.zeros(200, sum(DOMAIN.sizes)).scatter_(1, codes, 1.0).requires_grad_()
    losses = nn.functional.softplus(-hooked(dense)[:, 0])
    losses.sum().backward(retain_graph=True)
    hooked.zero_grad()
    weights = hooked.get_clipping_coef()
    hooked.disable_hooks()
    (weights * losses).sum().backward()
    found = [weights.grad for weights in hooked.parameters()]
    pairs = zip(found[::2], found[1::2], strict=True)
    ghost = torch.cat([torch.vstack([weight.T, bias]).flatten() for weight, bias in pairs]).numpy()
    own = single(CRITIC, DOMAIN, parameters, codes, noise, clip=clip) * (clip * STEP)
    # Opacus divides by the norm and a millionth; a row that is only just too long is scaled otherwise.
    assert np.linalg.norm(own - ghost) <= max(1e-5, 2e-6 / clip) * np.linalg.norm(own)


@ENGINES
@BOTH
@given(
    scale=st.sampled_from([1e-30, 1e-6, 1.0, 1e3, 1e10, 1e30]),
    clip=st.sampled_from([1e-12, 1e-3, 1.0, 1e8]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=25)
def test_no_row_adds_more_than_the_bound(engine, network, scale: float, clip: float, seed: int) -> None:
    parameters = parameters_of(network, DOMAIN, seed=seed, size=scale)
    batch = batch_of(network, DOMAIN, 1, seed=seed)
    found = engine(network, DOMAIN, parameters, *batch, clip=clip)
    square = sum(int(entry) ** 2 for entry in found)
    bound = longest(network.layers(DOMAIN))
    assert math.sqrt(square) <= bound * (1 + 1e-12)
    assert bound == pytest.approx(2.0**GRID_BITS, rel=5e-4)


@ENGINES
@BOTH
def test_long_gradients_are_cut_to_the_clip_and_no_shorter(engine, network) -> None:
    found = engine(network, DOMAIN, parameters_of(network, DOMAIN), *batch_of(network, DOMAIN, 1), clip=1e-3)
    assert np.linalg.norm(found.astype(np.float64)) == pytest.approx(2.0**GRID_BITS, rel=1e-5)


@ENGINES
@BOTH
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_rows_whose_gradients_are_no_numbers_add_nothing(engine, network, bad: float) -> None:
    parameters = parameters_of(network, DOMAIN)
    batch = batch_of(network, DOMAIN, 40)
    all_bad = torch.full_like(parameters, bad)
    assert not engine(network, DOMAIN, all_bad, *batch, clip=1.0).any()


@BOTH
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_rows_that_are_no_numbers_and_the_filling_of_a_block_spoil_no_other_row(network, bad: float) -> None:
    parameters = parameters_of(network, DOMAIN)
    batch = batch_of(network, DOMAIN, 40)
    first = network.layers(DOMAIN)[0].name
    views(network.layers(DOMAIN), parameters)[first][0] = (
        bad  # what rows with the first code read, and filling
    )
    touched = batch[0][:, 0] == 0
    assert 0 < int(touched.sum()) < 40
    rest = tuple(part[~touched] for part in batch)
    sums = [clipped_sum(network, DOMAIN, parameters, *rows, clip=1.0) for rows in (batch, rest)]
    expected = clipped(gradients_of(network, DOMAIN, parameters, *rest), 1.0).sum(0)
    for found in sums:
        np.testing.assert_allclose(found * STEP, expected, atol=1e-5 * len(rest[0]))
    assert not reference(
        network, DOMAIN, parameters, *batch, clip=1.0
    ).any()  # it reads all codes, times zero


@ENGINES
def test_rows_whose_gradients_are_zero_add_zero(engine) -> None:
    network = Critic(hidden=(3,))
    parameters = torch.zeros(parameters_of(network, DOMAIN).shape)
    parameters[-1] = 1e4  # the loss of a row of the table is flat there
    batch = batch_of(network, DOMAIN, 9)
    assert not engine(network, DOMAIN, parameters, *batch, clip=1.0).any()
    assert engine(network, DOMAIN, parameters, *batch, clip=1.0, public=True)[-1] == 9 * 2**GRID_BITS


def placed(engine, network, domain: Domain, rows: int) -> list[np.ndarray]:
    """The sums of the same rows as one batch, shuffled, and one by one."""
    parameters = parameters_of(network, domain)
    codes, noise = batch_of(network, domain, rows)
    orders = [np.arange(rows), np.random.default_rng(2).permutation(rows)]
    whole = [engine(network, domain, parameters, codes[order], noise[order], clip=0.5) for order in orders]
    alone = [
        engine(network, domain, parameters, codes[i : i + 1], noise[i : i + 1], clip=0.5) for i in range(rows)
    ]
    return [*whole, np.sum(alone, axis=0)]


# Widths that fill the registers of a processor: products of matrices treat all rows of a block alike.
EVEN = pytest.mark.parametrize(
    "network", [Critic(hidden=(16,)), Autoencoder(hidden=(16,), latent=16)], ids=["critic", "autoencoder"]
)
EVEN_DOMAIN = Domain(columns=("a", "b", "c"), sizes=(7, 9, 16))


@EVEN
def test_a_row_adds_the_same_to_the_last_bit_wherever_it_stands(network) -> None:
    whole, shuffled, summed = placed(clipped_sum, network, EVEN_DOMAIN, 150)
    np.testing.assert_array_equal(whole, shuffled)
    np.testing.assert_array_equal(whole, summed)


@ENGINES
@BOTH
def test_a_row_drifts_less_than_is_charged_for_widths_of_any_kind(engine, network) -> None:
    rows = 150
    whole, *others = placed(engine, network, DOMAIN, rows)
    for other in others:
        drift = np.linalg.norm((other - whole).astype(np.float64)) * STEP
        own = SINGLE.round_off() if engine is single else 0.0
        assert drift <= own + DRIFT * rows / 10_000 / (10**6 if engine is reference else 1)


@EVEN
@given(data=st.data())
@settings(max_examples=20)
def test_the_sum_of_a_part_and_the_rest_is_the_sum(network, data: st.DataObject) -> None:
    rows = data.draw(st.integers(0, 2 * BLOCK + 3))
    cut = data.draw(st.integers(0, rows))
    parameters = parameters_of(network, EVEN_DOMAIN, size=data.draw(st.sampled_from([0.3, 30.0])))
    codes, noise = batch_of(network, EVEN_DOMAIN, rows)
    whole, head, tail = (
        clipped_sum(network, EVEN_DOMAIN, parameters, codes[part], noise[part], clip=1.0)
        for part in (slice(None), slice(cut), slice(cut, None))
    )
    np.testing.assert_array_equal(whole, head + tail)


@BOTH
def test_wide_and_dense_embeddings_agree_to_the_last_bit(network, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = parameters_of(network, DOMAIN)
    batch = batch_of(network, DOMAIN, 200)
    dense, short = (engine(network, DOMAIN, parameters, *batch, clip=1.0) for engine in (clipped_sum, single))
    monkeypatch.setattr(_clipped_sum, "_DENSE_CODES", 3)
    np.testing.assert_array_equal(clipped_sum(network, DOMAIN, parameters, *batch, clip=1.0), dense)
    np.testing.assert_allclose(single(network, DOMAIN, parameters, *batch, clip=1.0), short, atol=1e-5 / STEP)


def test_a_wide_embedding_is_that_of_single_backward_passes() -> None:
    domain, network = Domain(columns=("a", "b"), sizes=(2000, 100)), Critic(hidden=(3,))
    parameters = parameters_of(network, domain)
    batch = batch_of(network, domain, 20)
    expected = clipped(gradients_of(network, domain, parameters, *batch), 1.0).sum(0)
    for engine in (single, clipped_sum, reference):
        found = engine(network, domain, parameters, *batch, clip=1.0) * STEP
        assert np.linalg.norm(found - expected) <= 1e-5 * np.linalg.norm(expected)


@ENGINES
@BOTH
def test_no_rows_make_a_sum_of_zero(engine, network) -> None:
    parameters = parameters_of(network, DOMAIN)
    found = engine(network, DOMAIN, parameters, *batch_of(network, DOMAIN, 0), clip=1.0)
    assert found.shape == parameters.shape
    assert found.dtype == np.int64
    assert not found.any()


@BOTH
def test_a_row_beyond_the_bound_adds_nothing(network, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = parameters_of(network, DOMAIN)
    batch = batch_of(network, DOMAIN, 30)
    norms = np.linalg.norm(gradients_of(network, DOMAIN, parameters, *batch), axis=1)
    middle = float(np.median(norms))
    short = torch.from_numpy(norms < middle)
    clip = 2 * float(norms.max())
    kept = clipped_sum(network, DOMAIN, parameters, *(part[short] for part in batch), clip=clip)
    monkeypatch.setattr(_clipped_sum, "longest", lambda _: middle / clip * 2.0**GRID_BITS)
    found = clipped_sum(network, DOMAIN, parameters, *batch, clip=clip)
    np.testing.assert_allclose(found * STEP, kept * STEP, atol=1e-6 * len(norms))
    assert kept.any()


def test_the_bound_knows_every_layer() -> None:
    layers = CRITIC.layers(DOMAIN)
    inputs, outputs = 10, 6
    exact = (1 + math.sqrt(inputs) * 2.0**-23) * (1 + math.sqrt(outputs) * 2.0**-23) + 2e-4
    assert longest(layers) == pytest.approx(exact * 2.0**44, rel=1e-15)


def test_views_cover_the_vector_once() -> None:
    layers = AUTOENCODER.layers(DOMAIN)
    vector = torch.arange(float(sum(layer.size for layer in layers)))
    found = views(layers, vector)
    assert [tuple(found[layer.name].shape) for layer in layers] == [
        (one.inputs + 1, one.outputs) for one in layers
    ]
    assert torch.cat([matrix.flatten() for matrix in found.values()]).equal(vector)
    for left, right in itertools.combinations(found.values(), 2):
        assert left.data_ptr() != right.data_ptr()


@pytest.mark.parametrize("batch", [1.0, 100.0, 479.0, 1024.0, 1950.0, 2.0**18])
def test_blocks_are_few_nearly_full_and_in_single_precision_up_to_a_number_of_rows(batch: float) -> None:
    blocks = Blocks.of(batch, single=True)
    assert blocks.rows % 64 == 0
    rows = batch + 2 * math.sqrt(batch)
    assert math.ceil(rows / blocks.rows) <= math.ceil(rows / 1152)
    assert blocks.rows * math.ceil(rows / blocks.rows) - rows < 64 * math.ceil(rows / blocks.rows)
    assert blocks.single * blocks.rows <= 4096
    assert blocks.single * blocks.rows >= min(batch, 4096 - blocks.rows)
    assert Blocks.of(batch, single=False) == Blocks(rows=blocks.rows, single=0)


def test_sums_of_doubles_are_never_too_large_to_be_exact() -> None:
    wide = longest((Layer(name="wide", inputs=10_000, outputs=10_000),))
    assert _clipped_sum.MOST_ROWS * wide < 2**53


def test_what_single_precision_may_lose_is_that_of_the_theorem() -> None:
    u = 2.0**-24
    terms = (64 + 5) * u
    assert SINGLE.round_off() == pytest.approx(1.01 * 2 * 32_000 * terms / (1 - terms), rel=1e-12)
    assert Blocks().round_off() == 0.0
    assert Blocks.of(1024, single=True).round_off() < 0.011


@BOTH
@pytest.mark.parametrize("size", [0.5, 30.0])
def test_single_precision_loses_less_than_is_charged(network, size: float) -> None:
    parameters = parameters_of(network, DOMAIN, size=size)
    batch = batch_of(network, DOMAIN, 1100)
    blocks = Blocks.of(1024, single=True)
    assert blocks.rows >= 1056
    found, exact = (
        clipped_sum(network, DOMAIN, parameters, *batch, clip=1e-2, blocks=one)
        for one in (blocks, replace(blocks, single=0))
    )
    # The grid of whole numbers itself is off by parts in 2^23 of each row.
    allowed = blocks.round_off() / 2 + 1100 * 2.0**-22
    assert 0 < np.linalg.norm((found - exact).astype(float)) * STEP < allowed
    # What a processor for short numbers would give.
    short = torch.from_numpy(exact).double().mul(STEP).bfloat16().double().numpy()
    assert np.linalg.norm(short - exact * STEP) > allowed


def test_blocks_after_the_first_are_exact() -> None:
    parameters = parameters_of(CRITIC, DOMAIN)
    codes, noise = batch_of(CRITIC, DOMAIN, 96)
    rest = slice(64, None)
    sums = [
        clipped_sum(CRITIC, DOMAIN, parameters, codes[part], noise[part], clip=1.0, blocks=blocks)
        for part, blocks in (
            (slice(None), Blocks(rows=64, single=1)),
            (slice(64), Blocks(rows=64, single=1)),
            (rest, Blocks(rows=64)),
        )
    ]
    np.testing.assert_array_equal(sums[0], sums[1] + sums[2])
    other = clipped_sum(
        CRITIC, DOMAIN, parameters, codes[rest], noise[rest], clip=1.0, blocks=Blocks(rows=64, single=1)
    )
    assert (other != sums[2]).any()


def test_settings_that_shorten_numbers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _clipped_sum.require_precision("cpu")
    product = torch.bmm

    def short(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return product(left.bfloat16(), right.bfloat16()).float()

    monkeypatch.setattr(torch, "bmm", short)
    with pytest.raises(ConfigurationError, match="single precision"):
        _clipped_sum.require_precision("cpu")


def test_the_size_of_blocks_does_not_change_the_sum() -> None:
    codes, noise = batch_of(CRITIC, DOMAIN, 1300)
    parameters = parameters_of(CRITIC, DOMAIN)
    sums = [
        clipped_sum(CRITIC, DOMAIN, parameters, codes, noise, clip=1.0, blocks=Blocks(rows=rows))
        for rows in (64, 128, 320, 1152)
    ]
    for other in sums[1:]:
        assert np.abs(other - sums[0]).max() < 1e-4 * 2**GRID_BITS


def test_memory_is_kept_without_an_answer() -> None:
    assert _clipped_sum.keep_memory() is None
