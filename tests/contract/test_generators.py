"""Every generator that we ship keeps the contract that we ask of others."""

from __future__ import annotations

from collections.abc import Iterator

from dpsynth.generators.aim import AIM
from dpsynth.generators.allpairs import AllPairs
from dpsynth.generators.base import Generator
from dpsynth.generators.choose import Auto
from dpsynth.generators.deep import Schedule
from dpsynth.generators.derived import with_constraints
from dpsynth.generators.dpgan import DPGAN
from dpsynth.generators.dpvae import DPVAE
from dpsynth.generators.hybrid import Hybrid
from dpsynth.generators.independent import Independent
from dpsynth.generators.mst import MST
from dpsynth.generators.pretraining import Pretraining
from dpsynth.generators.privbayes import PrivBayes
from dpsynth.generators.registry import get, names
from dpsynth.testing import GeneratorContract
from dpsynth.testing.cases import Case, cases

BRIEF = Schedule(rounds=2, steps=3, sampling_rate=0.2, thorough=False)


class TestAIM(GeneratorContract):
    generator = AIM()


class TestAIMOfTriples(GeneratorContract):
    generator = AIM(degree=3)


class TestAllPairs(GeneratorContract):
    generator = AllPairs()


class TestAuto(GeneratorContract):
    generator = Auto()

    def test_the_plan_is_deterministic(self) -> None:
        """The plan is that of the chosen method, under its name."""
        for case in cases():
            if not case.schema.constraints:
                chosen = self.generator.choose(case.schema, self.budget).generator
                assert self.generator.plan(case.schema, self.budget) == chosen.plan(case.schema, self.budget)


class TestAllPairsWithTarget(GeneratorContract):
    """Where a case has the column; its constraints are held in every class."""

    generator = AllPairs()

    def _held(self) -> Iterator[tuple[Case, Generator]]:
        for case, _ in super()._held():
            target = "grade" if case.schema.constraints else "colour"
            if target in case.schema.domain.columns:
                yield case, with_constraints(AllPairs(target=target), case.schema)


class TestDPGAN(GeneratorContract):
    generator = DPGAN(
        hidden=(16,),
        latent=3,
        critic_hidden=(16,),
        generator_steps=3,
        points=64,
        pretraining=Pretraining(rows=300, epochs=1),
        schedule=BRIEF,
    )


class TestDPVAE(GeneratorContract):
    generator = DPVAE(
        hidden=(16,), latent=3, points=64, pretraining=Pretraining(rows=300, epochs=1), schedule=BRIEF
    )


class TestDPVAEFromRandomParameters(GeneratorContract):
    generator = DPVAE(
        hidden=(8,),
        latent=2,
        points=40,
        cold=True,
        pretraining=Pretraining(rows=60, epochs=1),
        schedule=BRIEF,
    )


class TestHybrid(GeneratorContract):
    generator = Hybrid(hidden=(16,), public_rows=200, schedule=BRIEF)


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
