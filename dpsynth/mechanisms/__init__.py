"""Queries with their sensitivities, exact noise and exact selection: the only code that answers from rows.

A mechanism is a frozen, public plan for one paid access. `event()` prices it without data; a session
reserves that price and then calls `run`. The set of mechanisms is closed: `MECHANISMS` lists the
classes that a session accepts.
"""

from __future__ import annotations

from dpsynth.mechanisms._noise import tainted
from dpsynth.mechanisms.base import Measurement, Mechanism, Query, Sensitivity
from dpsynth.mechanisms.dp_sgd import DpSgd, TrainingState
from dpsynth.mechanisms.gaussian import GaussianMechanism, gaussian_sigma
from dpsynth.mechanisms.laplace import LaplaceMechanism, laplace_scale
from dpsynth.mechanisms.networks import SLOPE, Autoencoder, Critic, Layer, Layers, Network, parameter_count
from dpsynth.mechanisms.noisy_scores import NoisyScores
from dpsynth.mechanisms.partition import PartitionSelection
from dpsynth.mechanisms.predictions import PredictionHits
from dpsynth.mechanisms.queries import Marginal, MergedMarginal, Total
from dpsynth.mechanisms.score_histogram import ScoreHistogram
from dpsynth.mechanisms.selection import ExponentialMechanism, MarginalGap, on_grid

__all__ = [
    "MECHANISMS",
    "SLOPE",
    "Autoencoder",
    "Critic",
    "DpSgd",
    "ExponentialMechanism",
    "GaussianMechanism",
    "LaplaceMechanism",
    "Layer",
    "Layers",
    "Marginal",
    "MarginalGap",
    "Measurement",
    "Mechanism",
    "MergedMarginal",
    "Network",
    "NoisyScores",
    "PartitionSelection",
    "PredictionHits",
    "Query",
    "ScoreHistogram",
    "Sensitivity",
    "Total",
    "TrainingState",
    "gaussian_sigma",
    "laplace_scale",
    "on_grid",
    "parameter_count",
    "tainted",
]

MECHANISMS = (
    GaussianMechanism,
    LaplaceMechanism,
    ExponentialMechanism,
    NoisyScores,
    PartitionSelection,
    DpSgd,
    ScoreHistogram,
)
