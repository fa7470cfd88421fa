"""`import dpsynth` is light: what is heavy is loaded where it is used."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "opacus",
    "scipy.stats",
    "matplotlib",
    "dp_accounting",
    "polars",
    "sklearn",
    "jax",
    "IPython",
)
ROOMS = (
    "dpsynth",
    "dpsynth.privacy",
    "dpsynth.schema",
    "dpsynth.ledger",
    "dpsynth.mechanisms",
    "dpsynth.session",
    "dpsynth.graphical",
    "dpsynth.generators",
    "dpsynth.release",
    "dpsynth.tuning",
    "dpsynth.auditing",
    "dpsynth.datasets",
    "dpsynth.cli.app",
)


def loaded_by(statement: str) -> set[str]:
    """Modules that a fresh interpreter holds after `statement`."""
    code = f"import json, sys; before = set(sys.modules)\n{statement}\nprint(json.dumps(sorted(set(sys.modules) - before)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout))


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_loads_a_heavy_package_at_import(room: str) -> None:
    assert loaded_by(f"import {room}").isdisjoint(HEAVY)


def test_the_bare_import_loads_neither_frames_nor_arrays() -> None:
    assert loaded_by("import dpsynth").isdisjoint(
        {*HEAVY, "pandas", "pyarrow", "numpy", "scipy", "typer", "rich"}
    )


def test_the_measure_sees_a_heavy_package_when_there_is_one() -> None:
    assert "polars" in loaded_by("import polars")


def test_importing_changes_no_warning_filter_and_configures_no_log() -> None:
    code = (
        "import logging, warnings; before = list(warnings.filters), list(logging.root.handlers)\n"
        "import dpsynth\n"
        "assert before == (list(warnings.filters), list(logging.root.handlers))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
