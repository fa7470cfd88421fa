"""Coverage-guided fuzzing (atheris) of everything that reads what a stranger wrote: `make fuzz`.

    python tests/fuzzing/readers.py [--seconds 60] [target ...]

Each target is handed bytes that atheris grows from the files of a small release, and must read them or refuse
them with the error that its docstring names. Any other error, and what takes longer than a minute, ends its run
with the input in `fuzz-findings/`. The property tests in tests/pitfalls/test_p21_readers.py change documents by
their structure; this finds what only the bytes show.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["dpsynth.verifier", "dpsynth.schema"]):
    from dpsynth.schema import Schema
    from dpsynth.verifier import (
        accounting,
        book,
        canonical,
        claims,
        data,
        envelope,
        evidence,
        policy,
        sentences,
        shape,
        table,
    )

from dpsynth import Budget, FittedModel, Ledger, datasets, publish
from dpsynth.bookkeeping import read_lines, verify_lines, write_lines
from dpsynth.errors import DpsynthError
from dpsynth.generators import get
from dpsynth.release import fit_table
from dpsynth.release.keys import new_key
from dpsynth.session import Guarantee

FINDINGS = Path("fuzz-findings")
Seeds = dict[str, list[bytes]]


def main() -> int:
    """Run the targets one after the other, each in a process of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="*", default=list(TARGETS), help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    arguments, failed = parser.parse_args(), []
    FINDINGS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        release = Path(place)
        seeds = _release(release)
        for name in arguments.targets:
            corpus = release / "corpus" / name
            corpus.mkdir(parents=True)
            for number, seed in enumerate(seeds[name]):
                (corpus / str(number)).write_bytes(seed)
            limits = [f"-max_total_time={arguments.seconds}", "-timeout=60", "-max_len=65536", "-verbosity=0"]
            command = [sys.executable, __file__, "--child", name, str(release), str(corpus)]
            found = subprocess.run(
                [*command, *limits, "-print_final_stats=1", f"-artifact_prefix={FINDINGS}/{name}-"],
                capture_output=True,
                text=True,
                check=False,
            )
            runs = [line.split()[-1] for line in found.stderr.splitlines() if "number_of_executed" in line]
            print(
                f"{name:10} {runs[0] if runs else '?':>9} inputs  {'FOUND' if found.returncode else 'nothing found'}"
            )
            if found.returncode:
                failed.append(name)
                print(found.stdout[-2000:], found.stderr[-3000:])
    return 1 if failed else 0


def child(name: str, release: Path, options: list[str]) -> None:
    """Fuzz one target in this process, which ends with it."""
    read = TARGETS[name](release / "release")
    atheris.Setup([sys.argv[0], *options], read)
    atheris.Fuzz()


def _release(place: Path) -> Seeds:
    """A small release, and the documents that each target starts from."""
    with Ledger.open(place / "ledger.db") as book_of_run:
        model = fit_table(
            datasets.adult_path(),
            schema=datasets.adult_schema(),
            generator=get("independent"),
            budget=Budget(epsilon=1.0, delta=1e-6),
            ledger=book_of_run,
            dataset="adult",
        )
        write_lines(book_of_run, place / "ledger.jsonl")
    new_key(place / "key", passphrase=None)
    out = publish(model, rows=20, key=place / "key", out=place / "release", csv=True)
    model.save(place / "model.dps")
    sealed = (out / "certificate.dsse.json").read_bytes()
    statement = envelope.verify(envelope.unpack(sealed), ()).payload
    events = [json.loads(statement)["predicate"]["plan"], *EVENTS]
    return {
        "envelope": [sealed],
        "statement": [statement],
        "events": [json.dumps(one).encode() for one in events],
        "ledger": [(place / "ledger.jsonl").read_bytes()],
        "rows": [(out / "data.csv").read_bytes()],
        "schema": [(out / "schema.json").read_bytes()],
        "guarantee": [json.dumps(model.guarantee.to_json()).encode()],
        "policy": [b'{"max_epsilon": 1.0, "max_delta": 1e-6, "units": [{"relation": "add_remove"}]}'],
        "model": [(place / "model.dps").read_bytes()],
    }


EVENTS: list[Any] = [
    [{"type": "gaussian/1", "mu": 0.5}, {"type": "laplace/1", "epsilon": 0.1}],
    [{"type": "repeated/1", "event": {"type": "exponential/1", "epsilon": 0.1}, "times": 3}],
    [{"type": "composed/1", "events": [{"type": "zcdp/1", "rho": 0.1}]}],
    [{"type": "poisson-gaussian/1", "sampling_rate": 0.01, "noise_multiplier": 1.0, "steps": 10}],
]


def read_envelope(_: Path) -> Callable[[bytes], None]:
    """The envelope of a certificate and what it carries: ValueError."""

    def read(given: bytes) -> None:
        try:
            opened = envelope.verify(envelope.unpack(given), ())
            statement = canonical.parse(opened.payload)
        except ValueError:
            return
        if canonical.parse(canonical.canonical(statement)) != statement:
            raise AssertionError("canonical JSON is read as something else")

    return read


def read_statement(_: Path) -> Callable[[bytes], None]:
    """The statement of a certificate, judged by every check if it has the right form: ValueError."""

    def read(given: bytes) -> None:
        try:
            statement = canonical.parse(given)
        except ValueError:
            return
        if shape.errors(statement):
            return
        certificate = statement["predicate"]
        for judge in (
            claims.check_claims,
            sentences.check_sentences,
            evidence.check_evidence,
            evidence.check_rest,
        ):
            try:
                list(judge(certificate))
            except ValueError:
                continue

    return read


def read_events(_: Path) -> Callable[[bytes], None]:
    """A list of events: ValueError. What is read costs something."""

    def read(given: bytes) -> None:
        try:
            found = accounting.epsilon(canonical.parse(given), 1e-6, adaptive=False, enough=1e300)
        except ValueError:
            return
        if not found.epsilon >= 0:
            raise AssertionError("a price is no number")

    return read


def read_ledger(_: Path) -> Callable[[bytes], None]:
    """An export of a ledger, lines of JSON in a chain: LedgerError by the verifier, DpsynthError by the library."""

    def read(given: bytes) -> None:
        with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
            file.write(given)
            file.flush()
            with suppress(book.LedgerError):
                book.read(file.name)
            try:
                verify_lines(read_lines(file.name))
            except DpsynthError:
                return

    return read


def read_rows(release: Path) -> Callable[[bytes], None]:
    """Rows of a table whose schema is known: findings, never an error."""
    sealed = (release / "certificate.dsse.json").read_bytes()
    certificate = canonical.parse(envelope.verify(envelope.unpack(sealed), ()).payload)["predicate"]
    document = json.loads((release / "schema.json").read_text())
    return lambda given: list(data.check_data(certificate, document, io.BytesIO(given))).clear()


def read_schema(_: Path) -> Callable[[bytes], None]:
    """A schema document: TableError by the verifier, DpsynthError by the library."""

    def read(given: bytes) -> None:
        try:
            document = json.loads(given)
        except (ValueError, RecursionError):
            return
        with suppress(table.TableError):
            table.columns_of(document)
        try:
            Schema.from_json(document)
        except DpsynthError:
            return

    return read


def read_guarantee(_: Path) -> Callable[[bytes], None]:
    """A guarantee document: DpsynthError. What is read holds."""

    def read(given: bytes) -> None:
        try:
            document = json.loads(given)
        except (ValueError, RecursionError):
            return
        try:
            found = Guarantee.from_json(document)
        except DpsynthError:
            return
        if not found.holds():
            raise AssertionError("a guarantee that does not hold was read")

    return read


def read_policy(_: Path) -> Callable[[bytes], None]:
    """What a reader demands: ValueError."""

    def read(given: bytes) -> None:
        try:
            policy.read_policy(canonical.parse(given))
        except ValueError:
            return

    return read


def read_model(_: Path) -> Callable[[bytes], None]:
    """The file of a model: DpsynthError."""

    def read(given: bytes) -> None:
        with tempfile.NamedTemporaryFile(suffix=".dps") as file:
            file.write(given)
            file.flush()
            try:
                FittedModel.load(file.name)
            except DpsynthError:
                return

    return read


TARGETS: dict[str, Callable[[Path], Callable[[bytes], None]]] = {
    "envelope": read_envelope,
    "statement": read_statement,
    "events": read_events,
    "ledger": read_ledger,
    "rows": read_rows,
    "schema": read_schema,
    "guarantee": read_guarantee,
    "policy": read_policy,
    "model": read_model,
}

if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], Path(sys.argv[3]), sys.argv[4:])
    sys.exit(main())
