from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from dpsynth.errors import ConfigurationError, PrivacyError, StorageError
from dpsynth.generators import FittedModel
from dpsynth.release import publish
from dpsynth.release.keys import new_key
from dpsynth.schema.schema import Schema
from dpsynth.tuning import proxy, runs
from dpsynth.tuning.methods import configured
from dpsynth.tuning.runs import Bench, Run, outcomes, store, stored


@pytest.fixture
def bench(frame: pd.DataFrame, schema: Schema) -> Bench:
    return Bench(
        frame=frame, schema=schema, generators=configured("independent,mst", schema=schema), delta=1e-6
    )


WANTED = [Run(method=method, epsilon=1.0, replicate=i) for i in range(2) for method in ("independent", "mst")]


def test_every_run_is_kept_as_soon_as_it_ends(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(done: int, of: int) -> None:
        assert of == len(WANTED)
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        outcomes(bench, WANTED, cache=tmp_path, progress=dies)
    made: list[Run] = []
    one = runs._one
    monkeypatch.setattr(runs, "_one", lambda bench, run, cache: made.append(run) or one(bench, run, cache))
    found = outcomes(bench, WANTED, cache=tmp_path)
    assert made == WANTED[3:]
    assert set(found) == set(WANTED)
    made.clear()
    assert outcomes(bench, WANTED, cache=tmp_path) == found
    assert made == []


def test_replicates_are_runs_of_their_own(bench: Bench) -> None:
    first, second = (outcomes(bench, [WANTED[0], WANTED[2]])[run] for run in (WANTED[0], WANTED[2]))
    assert first.utility != second.utility


def test_a_run_is_known_by_all_that_determines_it(bench: Bench, frame: pd.DataFrame, schema: Schema) -> None:
    generators = configured("independent,mst", schema=schema)
    again = Bench(frame=frame.copy(), schema=schema, generators=generators, delta=1e-6)
    known = bench.digest_of_run(WANTED[0])
    assert again.digest_of_run(WANTED[0]) == known
    others = {bench.digest_of_run(run) for run in WANTED}
    for change in (
        {"frame": frame.iloc[1:]},
        {"delta": 1e-7},
        {"target": "member"},
        {"protected": ("colour",)},
        {"holdout": frame},
    ):
        fields = {"frame": frame, "schema": schema, "generators": generators, "delta": 1e-6, **change}
        others.add(Bench(**fields).digest_of_run(WANTED[0]))
    assert len(others) == len(WANTED) + 5


@pytest.mark.slow
def test_two_processes_find_what_one_finds(bench: Bench, tmp_path: Path) -> None:
    found = outcomes(bench, WANTED, cache=tmp_path, workers=2)
    assert set(found) == set(WANTED)
    assert len(list((tmp_path / "runs").iterdir())) == len(WANTED)
    assert all(0 < outcome.utility["pair_accuracy"] <= 1 for outcome in found.values())
    assert outcomes(bench, WANTED, cache=tmp_path) == found


@pytest.mark.slow
def test_an_error_in_a_process_is_told(frame: pd.DataFrame, schema: Schema) -> None:
    generators = configured("independent", schema=schema)
    broken = Bench(frame=frame.drop(columns="age"), schema=schema, generators=generators, delta=1e-6)
    with pytest.raises(Exception, match="age"):
        outcomes(broken, [WANTED[0], WANTED[2]], workers=2)


def test_a_damaged_cache_is_named(bench: Bench, tmp_path: Path) -> None:
    store(tmp_path / "runs", f"{bench.digest_of_run(WANTED[0])}.json", '{"utility": 3}')
    with pytest.raises(StorageError, match="damaged"):
        outcomes(bench, WANTED[:1], cache=tmp_path)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(StorageError, match="cannot be read"):
        stored(tmp_path, "bytes")
    assert stored(None, "bytes") is None


def test_only_the_owner_reads_the_cache(tmp_path: Path) -> None:
    store(tmp_path / "deep" / "folder", "one.json", "{}")
    assert (tmp_path / "deep" / "folder" / "one.json").stat().st_mode & 0o077 == 0


def test_no_model_of_a_sweep_can_be_released(bench: Bench, tmp_path: Path) -> None:
    fitted = bench.fitted(WANTED[0])
    assert isinstance(fitted, FittedModel)
    assert fitted.guarantee.taints == (runs.NOT_ACCOUNTED,)
    new_key(tmp_path / "officer.key", passphrase=None)
    with pytest.raises(PrivacyError, match="not accounted"):
        publish(fitted, rows=10, key=tmp_path / "officer.key", out=tmp_path / "release")


def test_methods_have_labels_of_their_own(schema: Schema) -> None:
    with pytest.raises(ConfigurationError, match="mst"):
        configured("mst, mst", schema=schema)
    with pytest.raises(ConfigurationError, match="at least one"):
        configured("", schema=schema)
    found = configured({"small": "mst", "other": "mst"}, schema=schema, target="member")
    assert list(found) == ["small", "other"]
    assert configured("allpairs", schema=schema, target="member")["allpairs"].target == "member"  # type: ignore[attr-defined]


_SCRIPT = """
import sys
import pandas as pd
from dpsynth.schema.schema import Schema
from dpsynth.tuning import proxy

folder = sys.argv[1]
proxy(
    pd.read_csv(f"{folder}/people.csv"), Schema.load(f"{folder}/people.schema.json"), methods="independent",
    epsilons=[1.0, 2.0], delta=1e-6, replicates=200, cache=f"{folder}/cache",
    progress=lambda done, of: print(done, flush=True),
)
"""


@pytest.mark.slow
def test_a_killed_sweep_goes_on_where_it_was(frame: pd.DataFrame, schema: Schema, tmp_path: Path) -> None:
    frame.to_csv(tmp_path / "people.csv", index=False)
    schema.save(tmp_path / "people.schema.json")
    command = [sys.executable, "-c", _SCRIPT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 5:
                process.send_signal(signal.SIGKILL)
                break
    assert process.wait() == -signal.SIGKILL
    kept = list((tmp_path / "cache" / "runs").glob("*.json"))
    assert len(kept) >= 5
    for path in kept:
        assert json.loads(path.read_text())["utility"]
    done: list[int] = []
    proxy(
        pd.read_csv(tmp_path / "people.csv"),
        schema,
        methods="independent",
        epsilons=[1.0, 2.0],
        delta=1e-6,
        replicates=4,
        cache=tmp_path / "cache",
        progress=lambda number, _: done.append(number),
    )
    assert len(done) <= 8 - 5
