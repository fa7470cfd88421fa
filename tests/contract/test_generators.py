"""Every generator that we ship keeps the contract that we ask of others."""

from __future__ import annotations

from dpsynth.generators.aim import AIM
from dpsynth.generators.allpairs import AllPairs
from dpsynth.generators.independent import Independent
from dpsynth.generators.mst import MST
from dpsynth.generators.privbayes import PrivBayes
from dpsynth.generators.registry import get, names
from dpsynth.testing import GeneratorContract


class TestAIM(GeneratorContract):
    generator = AIM()


class TestAIMOfTriples(GeneratorContract):
    generator = AIM(degree=3)


class TestAllPairs(GeneratorContract):
    generator = AllPairs()


class TestIndependent(GeneratorContract):
    generator = Independent()


class TestMST(GeneratorContract):
    generator = MST()


class TestPrivBayes(GeneratorContract):
    generator = PrivBayes()


def test_no_shipped_generator_is_left_out() -> None:
    checked = {cls.generator.name for cls in GeneratorContract.__subclasses__()}
    assert set(names()) <= checked
    assert {get(name).name for name in names()} == set(names())
