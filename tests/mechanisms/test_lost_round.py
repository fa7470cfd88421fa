"""What stands for a round of training whose answer was lost."""

from __future__ import annotations

import numpy as np
from mechanisms.deep import asked

from dpsynth.mechanisms import TrainingState


def test_a_lost_answer_is_where_training_stood() -> None:
    training = asked()
    lost = training.without_answer()
    assert lost.mechanism == training.describe()
    assert lost.event == training.event()
    assert lost.sigmas == (0.0,) * 4
    for value, start in zip(lost.values, training.start.arrays(), strict=True):
        assert value.tobytes() == start.tobytes()
        assert value.dtype == np.float32
        assert not value.flags.writeable
        assert not np.shares_memory(value, start)
    after = TrainingState.after(lost, 3)
    assert after.steps == 3
