"""The public side of the GAN, and its parts together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dpsynth.errors import ConfigurationError
from dpsynth.generators.adversary import Adversary
from dpsynth.generators.dpgan import DPGAN
from dpsynth.generators.pretraining import Weights, first_parameters, numbered
from dpsynth.mechanisms import Autoencoder, Critic, TrainingState
from dpsynth.privacy import Budget
from dpsynth.schema.columns import Categorical
from dpsynth.schema.layout import Domain
from dpsynth.schema.schema import Schema

DOMAIN = Domain(columns=("a", "b"), sizes=(2, 3))
NETWORK, CRITIC = Autoencoder(hidden=(8,), latent=2), Critic(hidden=(6,))


def _adversary(*, anchor: float = 0.0, rate: float = 1e-2) -> Adversary:
    rng = np.random.default_rng(0)
    rows = np.stack([rng.integers(0, size, 400) for size in DOMAIN.sizes], axis=1)
    start = first_parameters(NETWORK, DOMAIN, rng)
    return Adversary(DOMAIN, NETWORK, CRITIC, start, rows, rng, learning_rate=rate, anchor=anchor)


def _liking(code: int) -> np.ndarray:
    """A critic that takes rows whose first column has this code for private ones."""
    parameters = first_parameters(CRITIC, DOMAIN, np.random.default_rng(1))
    embedding = parameters[: 6 * 6].reshape(6, 6)
    embedding[:] = 0.0
    embedding[code] = 3.0
    parameters[36:] = 0.0
    parameters[36:42] = 1.0
    return parameters


def test_a_first_critic_has_no_opinion() -> None:
    parameters = _adversary().first_critic()
    codes = torch.from_numpy(numbered(DOMAIN, np.array([[0, 0], [1, 2]])))
    logits = CRITIC.logits(Weights(CRITIC.layers(DOMAIN), torch.from_numpy(parameters)), codes)
    assert logits.tolist() == [0.0, 0.0]
    assert parameters.any()


def test_generated_rows_are_codes_in_fixed_number() -> None:
    rows = _adversary().generated()
    assert rows.shape == (8192, 2)
    assert (rows >= 0).all()
    assert (rows < np.array(DOMAIN.sizes)).all()


@pytest.mark.parametrize("code", [0, 1])
def test_the_generator_follows_the_critic(code: int) -> None:
    adversary = _adversary()
    before = (adversary.generated()[:, 0] == code).mean()
    adversary.move(_liking(code), 120)
    assert (adversary.generated()[:, 0] == code).mean() > before + 0.15


def test_an_anchor_holds_the_generator() -> None:
    loose, held = _adversary(), _adversary(anchor=50.0)
    for adversary in (loose, held):
        adversary.move(_liking(1), 60)
    share = [(adversary.generated()[:, 0] == 1).mean() for adversary in (loose, held)]
    assert share[1] < share[0]


def test_maps_of_the_critic_are_bounded() -> None:
    parameters = 50 * first_parameters(CRITIC, DOMAIN, np.random.default_rng(2))
    bounded = _adversary().bounded(TrainingState.fresh(parameters), 2.0)
    for array in (bounded.parameters, bounded.average):
        first, second = array[:36].reshape(6, 6), array[36:].reshape(7, 1)
        for matrix in (first, second):
            assert np.linalg.norm(matrix[:-1], 2) == pytest.approx(2.0, rel=1e-5)
    small = TrainingState.fresh(np.zeros_like(parameters))
    assert not _adversary().bounded(small, 2.0).parameters.any()


def test_a_plan_has_a_round_for_each_turn_of_the_critic() -> None:
    schema = Schema(columns=tuple(Categorical(name=n, categories=(0, 1, 2)) for n in "abc"))
    plan = DPGAN().plan(schema, Budget(rho=0.05, delta=1e-6))
    assert [step.label for step in plan.steps].count("training") == DPGAN().schedule.rounds == 10


@pytest.mark.parametrize(
    "wrong",
    [{"training_share": 1.0}, {"spectral_norm": 0.0}, {"anchor": -1.0}, {"points": 0}, {"hidden": ()}],
)
def test_wrong_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match="Expected"):
        DPGAN(**wrong)  # type: ignore[arg-type]
