"""What a release claims, as an in-toto Statement: everything that a stranger needs to check it.

The form is `dpsynth/verifier/certificate.schema.json`. Nothing in it is a function of the private rows
beyond what the ledger has charged: no digest of the data, no number of its rows, no seed (pitfall P09).
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from typing import TYPE_CHECKING, Any

from dpsynth._version import __version__
from dpsynth.errors import ConfigurationError
from dpsynth.privacy.accountant import price
from dpsynth.privacy.risk import assessment, powers
from dpsynth.verifier import accounting

if TYPE_CHECKING:
    from dpsynth.auditing.evidence import Evidence
    from dpsynth.evaluation.results import Evaluation
    from dpsynth.privacy.events import Event
    from dpsynth.schema.schema import Schema
    from dpsynth.session import Guarantee

__all__ = ["PREDICATE_TYPE", "Release", "statement"]

PREDICATE_TYPE = "urn:dpsynth:release-certificate:1"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
RATES = (0.0001, 0.001, 0.01, 0.05, 0.1, 0.5)
"""False positive rates at which the trade-off curve is stated."""

_DELTAS = (1e-5, 1e-6, 1e-9)
_PACKAGES = ("numpy", "scipy", "pandas", "pyarrow", "cryptography", "torch", "opacus", "dp-accounting")
_EXCLUSIONS = (
    "How long computations took, and what else the machine showed while they ran.",
    "Releases about the same people that are not in this ledger.",
    "Whether the source table is true, complete, and lawfully held.",
    "What the schema declares in public: columns, categories, bounds, constraints and rules.",
    "Whether the running code was this version: a signature says who states it, not that noise was drawn.",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """What is known of a release beyond its guarantee and schema.

    Attributes:
        title: For people.
        rows: How many rows it has.
        rows_from: `asked` if the publisher named a number that he holds public, else `private estimate`.
        columns: The columns of the table.
        post_processing: What was done after the last paid answer, in words.
        chosen: How method and settings were chosen, in words.
        publisher: `name`, `purpose`, `licence`, `contact`, as far as they are told.
    """

    title: str
    rows: int
    rows_from: str
    columns: tuple[str, ...]
    post_processing: tuple[str, ...]
    chosen: str
    publisher: Mapping[str, str]


def statement(
    guarantee: Guarantee,
    schema: Schema,
    release: Release,
    *,
    subjects: Mapping[str, str],
    evidence: Sequence[Evidence] = (),
    scores: Evaluation | None = None,
) -> dict[str, Any]:
    """The Statement as JSON values.

    Args:
        guarantee: What the run promises.
        schema: Of the released table.
        release: What else is told.
        subjects: SHA-256 by name of every released file, `schema.json` among them.
        evidence: Audits of this method.
        scores: Public or paid numbers about the table.
    """
    predicate: dict[str, Any] = {
        "title": release.title,
        "issued": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "claim": _claim(guarantee),
        "plan": {
            "method": guarantee.committed.method,
            "adaptive": guarantee.adaptive,
            "events": _grouped(guarantee.committed.events),
            "digest": guarantee.plan_digest,
        },
        "events": [
            {"label": label, **paid}
            for label, paid in _labelled(zip(guarantee.labels, guarantee.events, strict=True))
        ],
        "accounting": _accounting(guarantee),
        "noise": {
            "primitive": "rounded Gaussian or Laplace noise on the integers, by inversion; exponential "
            "mechanism by discrete Gumbel noise",
            "exact": True,
            "source": "operating-system entropy, stretched by AES-256 in counter mode, fresh after fork",
            "seeded": False,
        },
        "public_inputs": {
            "schema": subjects["schema.json"],
            "origins": [{"column": column.name, "origin": column.origin} for column in schema.columns],
            "constraints": len(schema.constraints),
            "rules": len(schema.rules),
        },
        "generator": {
            "method": guarantee.method,
            "configuration": dict(guarantee.configuration),
            "chosen": release.chosen,
        },
        "sample": {
            "rows": release.rows,
            "rows_from": release.rows_from,
            "columns": list(release.columns),
            "post_processing": list(release.post_processing),
        },
        "ledger": {"account": guarantee.dataset, **asdict(guarantee.ledger)},
        "audit": [one.to_json() for one in evidence],
        "scores": [] if scores is None else [_score(result) for result in scores.results],
        "risk": {
            "sentences": list(guarantee.risk().sentences),
            "assessment": [
                {"risk": name, "evidence": words} for name, words in assessment(_curve(guarantee)).items()
            ],
        },
        "environment": _environment(),
        "exclusions": [*_EXCLUSIONS, *_own_exclusions(guarantee, release)],
    }
    if release.publisher:
        predicate["publisher"] = dict(release.publisher)
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": subjects[name]}} for name in sorted(subjects)],
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate,
    }


def _claim(guarantee: Guarantee) -> dict[str, Any]:
    events, told = guarantee.committed.events, _told(guarantee)
    own = price(events, delta=guarantee.delta, adaptive=guarantee.adaptive)
    curve = _curve(guarantee)
    advantage = max(guarantee.risk().advantage, accounting.advantage(told, adaptive=guarantee.adaptive))
    return {
        "epsilon": guarantee.epsilon,
        "delta": guarantee.delta,
        "accountant": guarantee.engine,
        "epsilon_at": list(_epsilons(guarantee)),
        "mu": own.mu,
        "rho": own.rho,
        "advantage": advantage,
        "curve": [
            {"false_positive_rate": rate, "true_positive_rate": power} for rate, power in curve.items()
        ],
        "unit": {**asdict(guarantee.unit), "words": str(guarantee.unit)},
    }


def _epsilons(guarantee: Guarantee) -> Iterator[dict[str, float]]:
    """Epsilon at several deltas: the larger one of two accountants, so that each of them confirms it."""
    yield {"delta": guarantee.delta, "epsilon": guarantee.epsilon}
    for delta in _DELTAS:
        if delta == guarantee.delta:
            continue
        try:
            first = price(guarantee.committed.events, delta=delta, adaptive=guarantee.adaptive).epsilon
        except ConfigurationError:  # events that fail with a larger probability have none
            continue
        second = accounting.epsilon(_told(guarantee), delta, adaptive=guarantee.adaptive).epsilon
        yield {"delta": delta, "epsilon": max(first, second)}


def _curve(guarantee: Guarantee) -> dict[float, float]:
    """Upper bounds of the true positive rate at `RATES`: the larger one of two accountants."""
    events, told = guarantee.committed.events, _told(guarantee)
    first = powers(events, RATES, delta=guarantee.delta, adaptive=guarantee.adaptive)
    second = [accounting.power(told, rate, adaptive=guarantee.adaptive) for rate in RATES]
    return {rate: max(pair) for rate, *pair in zip(RATES, first, second, strict=True)}


def _accounting(guarantee: Guarantee) -> dict[str, Any]:
    second = accounting.epsilon(_told(guarantee), guarantee.delta, adaptive=guarantee.adaptive)
    named = [
        {"name": guarantee.engine, "version": f"dpsynth {__version__}", "epsilon": guarantee.epsilon},
        {"name": second.method, "version": f"dpsynth verifier {__version__}", "epsilon": second.epsilon},
    ]
    return {"accountants": named, "allowance": second.allowance}


def _told(guarantee: Guarantee) -> list[dict[str, Any]]:
    return [event.to_json() for event in guarantee.committed.events]


def _grouped(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Equal events in a row, counted."""
    return [{"times": len(list(run)), "event": event.to_json()} for event, run in groupby(events)]


def _labelled(steps: Iterable[tuple[str, Event]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for (label, event), run in groupby(steps):
        yield label, {"times": len(list(run)), "event": event.to_json()}


def _score(result: Any) -> dict[str, Any]:
    told = result.to_json()
    price_of = result.disclosure
    return {
        "name": told["name"],
        "title": told["title"],
        "value": told["value"],
        "interval": told["interval"],
        "disclosure": price_of.kind,
        "epsilon": price_of.epsilon,
        "delta": price_of.delta,
        "release": price_of.release,
    }


def _environment() -> dict[str, Any]:
    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "dpsynth": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}".strip() or "unknown",
        "packages": packages,
    }


def _own_exclusions(guarantee: Guarantee, release: Release) -> Iterator[str]:
    if release.rows_from == "asked":
        yield "The number of rows: the publisher asked for it and states that it is public."
    if _names_a_record(guarantee.configuration):
        yield (
            "The price of an earlier release whose noisy answers this one uses too: both together cost the "
            "sum that the ledger holds."
        )


def _names_a_record(configuration: Any) -> bool:
    """Whether a configuration holds the record of an earlier run."""
    if isinstance(configuration, Mapping):
        return configuration.get("type") == "Transcript" or any(map(_names_a_record, configuration.values()))
    return isinstance(configuration, list) and any(map(_names_a_record, configuration))
