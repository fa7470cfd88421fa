"""The second accountant against closed forms, its own rules, and hostile input."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from typing import Any

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.verifier import accounting
from dpsynth.verifier.accounting import AccountingError, advantage, delta, epsilon, mu, power

GAUSSIAN = {"type": "gaussian/1", "mu": 0.3}
LAPLACE = {"type": "laplace/1", "epsilon": 0.2}
CHOICE = {"type": "exponential/1", "epsilon": 0.4}
ZCDP = {"type": "zcdp/1", "rho": 0.02}
PURE = {"type": "approximate/1", "epsilon": 0.25, "delta": 0.0}
FAILURE = {"type": "approximate/1", "epsilon": 0.0, "delta": 1e-12}
TRAINING = {"type": "poisson-gaussian/1", "sampling_rate": 0.01, "noise_multiplier": 1.0, "steps": 100}
NOTHING = {"type": "non-private/1", "reason": "test"}


def repeated(event: dict[str, Any], times: int) -> dict[str, Any]:
    return {"type": "repeated/1", "event": event, "times": times}


def gaussian_delta(size: float, at: float) -> mpmath.mpf:
    with mpmath.workdps(400):
        m, e, root = mpmath.mpf(size), mpmath.mpf(at), mpmath.sqrt(2)
        tails = [mpmath.erfc(x / root) / 2 for x in (e / m - m / 2, e / m + m / 2)]
        return tails[0] - mpmath.exp(e) * tails[1]


@pytest.mark.parametrize("size", [1e-9, 1e-5, 1e-3, 0.05, 0.3, 1.0, 3.0, 12.0, 60.0])
@pytest.mark.parametrize("level", [0.3, 1e-2, 1e-6, 1e-12, 1e-100, 1e-290])
@pytest.mark.parametrize("adaptive", [True, False])
def test_a_gaussian_costs_what_it_costs_exactly(size: float, level: float, adaptive: bool) -> None:
    found = epsilon([{"type": "gaussian/1", "mu": size}], level, adaptive=adaptive)
    assert found.method == "gaussian differential privacy"
    assert gaussian_delta(size, found.epsilon) <= level * (1 + 1e-15)
    if found.epsilon > 0:
        assert gaussian_delta(size, found.epsilon * (1 - 1e-9)) > level
    back = delta([{"type": "gaussian/1", "mu": size}], found.epsilon, adaptive=adaptive)
    assert gaussian_delta(size, found.epsilon) <= back <= level * (1 + 1e-6)


def test_many_gaussians_are_one() -> None:
    events = [{"type": "gaussian/1", "mu": 0.001 * k} for k in range(1, 301)]
    whole = math.sqrt(math.fsum(event["mu"] ** 2 for event in events))
    found = mu(events, adaptive=True)
    assert found is not None
    assert whole * (1 - 1e-15) <= found <= whole * (1 + 1e-15)
    one = epsilon([{"type": "gaussian/1", "mu": whole}], 1e-9, adaptive=False).epsilon
    assert epsilon(events, 1e-9, adaptive=False).epsilon == pytest.approx(one, rel=1e-12)


def test_sampling_everybody_is_a_plain_gaussian() -> None:
    everybody = TRAINING | {"sampling_rate": 1, "noise_multiplier": 5.0, "steps": 4}
    assert mu([everybody], adaptive=False) == pytest.approx(0.4, rel=1e-15)


def test_pure_steps_add_up_without_delta() -> None:
    found = epsilon([LAPLACE, CHOICE, PURE], 0.0, adaptive=True)
    assert found == accounting.Recomputed(epsilon=found.epsilon, method="pure", allowance=1e-9)
    assert 0.85 <= found.epsilon <= 0.85 * (1 + 1e-15)


def test_one_pure_step_has_the_curve_of_randomised_response() -> None:
    for at in (0.0, 0.1, 0.24):
        exact = (math.exp(0.25) - math.exp(at)) / (1 + math.exp(0.25))
        assert exact <= delta([PURE], at, adaptive=False) <= exact * (1 + 1e-9)
    assert delta([PURE], 0.25, adaptive=False) == 0.0


def test_concentrated_steps_are_converted_at_the_best_order() -> None:
    found = epsilon([ZCDP, ZCDP], 1e-6, adaptive=True)
    best = min(
        0.04 * a + (math.log(1e6) + (a - 1) * math.log1p(-1 / a) - math.log(a)) / (a - 1)
        for a in (1 + 0.001 * k for k in range(1, 60_000))
    )
    assert found.method == "zero-concentrated"
    assert best * (1 - 1e-6) <= found.epsilon <= best * (1 + 1e-9)


def test_nothing_costs_nothing() -> None:
    assert epsilon([], 0.0, adaptive=False).epsilon == 0.0
    assert mu([], adaptive=False) == 0.0
    assert power([], 0.1, adaptive=False) == 0.1
    assert advantage([], adaptive=False) == 0.0


def test_failures_come_off_delta_first() -> None:
    alone = epsilon([GAUSSIAN], 1e-9 - 1e-12, adaptive=True).epsilon
    assert epsilon([GAUSSIAN, FAILURE], 1e-9, adaptive=True).epsilon == pytest.approx(alone, rel=1e-12)
    assert delta([FAILURE, repeated(FAILURE, 3)], 0.0, adaptive=True) == pytest.approx(4e-12, rel=1e-9)
    assert epsilon([FAILURE], 1e-12, adaptive=True).epsilon == 0.0
    with pytest.raises(AccountingError, match="delta"):
        epsilon([GAUSSIAN, FAILURE], 1e-13, adaptive=True)


@pytest.mark.parametrize("event", [GAUSSIAN, ZCDP, TRAINING])
def test_a_step_with_gaussian_tails_needs_delta(event: dict[str, Any]) -> None:
    with pytest.raises(AccountingError, match="delta"):
        epsilon([event], 0.0, adaptive=False)


def test_a_step_without_guarantee_leaves_none() -> None:
    assert epsilon([GAUSSIAN, NOTHING], 1e-9, adaptive=False).epsilon == math.inf
    assert delta([NOTHING], 5.0, adaptive=False) == 1.0
    assert mu([GAUSSIAN, NOTHING], adaptive=False) is None
    assert power([NOTHING], 0.01, adaptive=True) == 1.0
    assert advantage([NOTHING], adaptive=False) == 1.0


def test_an_adaptive_run_is_priced_by_filter_theorems_only() -> None:
    events = [repeated(LAPLACE, 20), GAUSSIAN]
    fixed, adaptive = (epsilon(events, 1e-6, adaptive=choice) for choice in (False, True))
    assert fixed.method == "privacy loss distribution"
    assert adaptive.method == "zero-concentrated"
    assert fixed.epsilon < adaptive.epsilon
    assert epsilon([GAUSSIAN, CHOICE], 1e-9, adaptive=True).method in {
        "gaussian differential privacy",
        "zero-concentrated",
    }
    with pytest.raises(AccountingError, match="adaptive"):
        epsilon([GAUSSIAN, TRAINING], 1e-9, adaptive=True)


def test_a_claim_that_a_quick_engine_proves_is_enough() -> None:
    quick = epsilon([repeated(LAPLACE, 20)], 1e-6, adaptive=False, enough=4.1)
    assert quick.method != "privacy loss distribution"
    assert quick.epsilon <= 4.1
    assert epsilon([repeated(LAPLACE, 20)], 1e-6, adaptive=False).epsilon < quick.epsilon


def test_the_order_and_the_grouping_of_events_do_not_matter() -> None:
    flat = [LAPLACE] * 6 + [CHOICE] * 2 + [GAUSSIAN] * 4
    grouped = [
        {"type": "composed/1", "events": [repeated(GAUSSIAN, 4), CHOICE]},
        repeated(repeated(LAPLACE, 3), 2),
        CHOICE,
    ]
    assert epsilon(flat, 1e-6, adaptive=False) == epsilon(grouped, 1e-6, adaptive=False)
    assert delta(flat, 0.5, adaptive=False) == delta(grouped, 0.5, adaptive=False)


atoms = st.sampled_from([GAUSSIAN, LAPLACE, CHOICE, ZCDP, PURE, FAILURE])


@pytest.mark.slow
@given(st.lists(atoms, min_size=1, max_size=4), st.floats(1e-9, 0.1), st.booleans())
@settings(max_examples=6, deadline=None)
def test_a_price_grows_with_every_event_and_falls_with_delta(
    events: list[dict[str, Any]], level: float, adaptive: bool
) -> None:
    whole = epsilon(events, level, adaptive=adaptive).epsilon
    assert epsilon(events[1:], level, adaptive=adaptive).epsilon <= whole * (1 + 1e-3)
    assert epsilon(events, 2 * level, adaptive=adaptive).epsilon <= whole * (1 + 1e-3)
    assert epsilon(events, level, adaptive=False).epsilon <= epsilon(events, level, adaptive=True).epsilon
    assert delta(events, whole, adaptive=adaptive) <= level * (1 + 0.02)


def test_what_a_tester_of_gaussians_can_do_is_exact() -> None:
    normal = [{"type": "gaussian/1", "mu": 1.0}]
    assert power(normal, 0.5, adaptive=False) == pytest.approx(0.8413447460685429, rel=1e-11)
    assert power(normal, 1e-9, adaptive=True) == pytest.approx(
        float(mpmath.erfc((5.997807015 - 1) / math.sqrt(2)) / 2), rel=1e-6
    )
    assert power(normal, 0.0, adaptive=False) == 0.0
    assert power(normal, 1, adaptive=False) == 1.0
    assert advantage(normal, adaptive=False) == pytest.approx(math.erf(1 / math.sqrt(8)), rel=1e-12)


def test_what_a_tester_of_randomised_response_can_do() -> None:
    """The answers: true with chance e^ε / (1 + e^ε). The bound is met by a test that also flips a coin."""
    chance = 1 / (1 + math.exp(-0.25))
    assert advantage([PURE], adaptive=False) == pytest.approx(2 * chance - 1, rel=1e-6)
    assert power([PURE], 1 - chance, adaptive=False) == pytest.approx(chance, rel=1e-6)
    assert power([PURE], 0.01, adaptive=True) == pytest.approx(0.01 * math.exp(0.25), rel=1e-6)


def test_a_tester_of_training_is_bounded_by_the_loss_distribution() -> None:
    found = advantage([TRAINING], adaptive=False)
    at_zero = delta([TRAINING], 0.0, adaptive=False)
    assert found <= at_zero * (1 + 1e-3)
    # An attack that accuses when the sum of noise is high: a valid test gains no more.
    assert 0.02 < found < 0.1
    assert 0.01 < power([TRAINING], 0.01, adaptive=False) < 0.02


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("gaussian/1", "object"),
        (None, "object"),
        ([GAUSSIAN], "object"),
        ({}, "unknown type None"),
        ({"type": "sorcery/1"}, "unknown type"),
        ({"type": ["gaussian/1"], "mu": 1.0}, "unknown type"),
        ({"type": "gaussian/2", "mu": 1.0}, "unknown type"),
        ({"type": "gaussian/1"}, "mu"),
        ({"type": "gaussian/1", "mu": 1.0, "sigma": 1.0}, "sigma"),
        ({"type": "gaussian/1", "mu": True}, "bool"),
        ({"type": "gaussian/1", "mu": "1"}, "str"),
        ({"type": "gaussian/1", "mu": None}, "NoneType"),
        ({"type": "gaussian/1", "mu": math.nan}, "finite"),
        ({"type": "gaussian/1", "mu": math.inf}, "finite"),
        ({"type": "gaussian/1", "mu": -1.0}, "negative"),
        ({"type": "gaussian/1", "mu": 0.0}, "from 1e-150"),
        ({"type": "gaussian/1", "mu": 1e200}, "from 1e-150"),
        ({"type": "gaussian/1", "mu": 10**400}, "too large"),
        ({"type": "laplace/1", "epsilon": 0}, "from 1e-150"),
        ({"type": "exponential/1", "epsilon": -0.1}, "negative"),
        ({"type": "zcdp/1", "rho": [1.0]}, "list"),
        ({"type": "approximate/1", "epsilon": 1.0}, "delta"),
        ({"type": "approximate/1", "epsilon": 1.0, "delta": math.nan}, "finite"),
        (TRAINING | {"sampling_rate": 1.5}, "probability"),
        (TRAINING | {"sampling_rate": 0}, "sampling_rate"),
        (TRAINING | {"steps": 10.0}, "whole number"),
        (TRAINING | {"steps": 0}, "whole number"),
        (TRAINING | {"steps": True}, "whole number"),
        ({"type": "repeated/1", "event": GAUSSIAN, "times": -1}, "whole number"),
        ({"type": "repeated/1", "event": GAUSSIAN, "times": 10**40}, "whole number"),
        (repeated(repeated(GAUSSIAN, 10**20), 10**20), "whole number"),
        ({"type": "repeated/1", "event": "gaussian/1", "times": 2}, "object"),
        ({"type": "composed/1", "events": GAUSSIAN}, "list"),
        ({"type": "composed/1", "events": [GAUSSIAN, 3]}, "object"),
        ({"type": "non-private/1", "reason": 3}, "text"),
    ],
)
def test_what_is_no_event_is_refused_with_its_number(event: object, said: str) -> None:
    events: list[Any] = [GAUSSIAN, event]
    with pytest.raises(AccountingError, match=r"^Event 2\b") as caught:
        epsilon(events, 1e-6, adaptive=False)
    assert said in str(caught.value)
    assert isinstance(caught.value, ValueError)
    for ask in (mu, advantage):
        with pytest.raises(AccountingError, match="Event 2"):
            ask(events, adaptive=False)


def test_events_nested_without_end_are_refused() -> None:
    deep: dict[str, Any] = GAUSSIAN
    for _ in range(5000):
        deep = repeated(deep, 1)
    with pytest.raises(AccountingError, match=r"Event 1.*deep"):
        epsilon([deep], 1e-6, adaptive=False)


@pytest.mark.parametrize("events", [GAUSSIAN, "gaussian/1", None, 3])
def test_a_run_is_a_list(events: Any) -> None:
    with pytest.raises(AccountingError, match="list"):
        epsilon(events, 1e-6, adaptive=False)


@pytest.mark.parametrize("value", [-1e-9, 1.0, 2, math.nan, math.inf, True, "1e-9", None])
def test_an_impossible_delta_is_refused(value: Any) -> None:
    with pytest.raises(AccountingError, match="delta"):
        epsilon([GAUSSIAN], value, adaptive=False)


@pytest.mark.parametrize("value", [-1.0, math.nan, True, "1"])
def test_impossible_arguments_are_refused(value: Any) -> None:
    with pytest.raises(AccountingError, match="epsilon"):
        delta([GAUSSIAN], value, adaptive=False)
    with pytest.raises(AccountingError, match="false_positive_rate"):
        power([GAUSSIAN], value, adaptive=False)
    with pytest.raises(AccountingError, match="false_positive_rate"):
        power([GAUSSIAN], 1.5, adaptive=False)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "gaussian/1", "mu": 1e150},
        pytest.param({"type": "gaussian/1", "mu": 1e-150}, marks=pytest.mark.slow),
        {"type": "laplace/1", "epsilon": 1e150},
        {"type": "laplace/1", "epsilon": 1e-150},
        {"type": "exponential/1", "epsilon": 1e4},
        {"type": "zcdp/1", "rho": 1e150},
        {"type": "zcdp/1", "rho": 1e-150},
        TRAINING | {"noise_multiplier": 1e-150},
        TRAINING | {"noise_multiplier": 1e150, "steps": 10**30},
        TRAINING | {"noise_multiplier": 0.06},
        pytest.param(TRAINING | {"sampling_rate": 1e-150}, marks=pytest.mark.slow),
        TRAINING | {"steps": 10**12},
        repeated({"type": "laplace/1", "epsilon": 1e-9}, 10**18),
    ],
)
def test_extreme_sizes_end_in_an_answer_or_a_refusal(event: dict[str, Any]) -> None:
    assert 0 <= delta([event, LAPLACE], 1.0, adaptive=False) <= 1
    if event.get("mu") == 1e150 or event.get("rho") == 1e150 or event.get("noise_multiplier") == 1e-150:
        with pytest.raises(AccountingError, match="too large"):
            epsilon([event, LAPLACE], 1e-9, adaptive=False)
    else:
        assert 0 <= epsilon([event, LAPLACE], 1e-9, adaptive=False).epsilon < math.inf


def test_a_copy_of_the_folder_needs_the_standard_library_only() -> None:
    code = (
        "import json, sys\n"
        "from dpsynth.verifier import accounting\n"
        f"accounting.epsilon(json.loads({json.dumps(json.dumps([LAPLACE, GAUSSIAN]))}), 1e-6, adaptive=False)\n"
        "own = {m for m in sys.modules if m.startswith('dpsynth.') and not m.startswith('dpsynth.verifier')}\n"
        "print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules}\n"
        "                        & {'numpy', 'scipy', 'pandas', 'mpmath'}) + sorted(own)))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(json.loads(run.stdout)) <= {"dpsynth._lazy", "dpsynth._version"}
