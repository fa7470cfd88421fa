"""For authors of generators and for tests: the contract suite, and noise that is not private."""

from __future__ import annotations

from dpsynth.testing.contract import GeneratorContract, check_generator
from dpsynth.testing.insecure import insecure_noise

__all__ = ["GeneratorContract", "check_generator", "insecure_noise"]
