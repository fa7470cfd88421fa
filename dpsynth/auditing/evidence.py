"""What an audit found, as a value that travels with a release: plain JSON, no value of a private table.

The arithmetic of an audit cannot be redone by a reader of a certificate, its evidence is *attested*. So the
record says what was claimed, against whom, with how many runs, and which lower bound the audit could have
reported at most: an audit that could not have failed is no evidence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from dpsynth import _validate
from dpsynth._version import __version__
from dpsynth.errors import ConfigurationError, StorageError
from dpsynth.session.configuration import configuration_of
from dpsynth.verifier.canonical import canonical

__all__ = ["AUDITS", "KIND", "LEVELS", "Check", "Claim", "Evidence", "configuration_digest"]

KIND = "dpsynth-audit-evidence/1"
LEVELS = ("structural", "sampler", "end-to-end")
AUDITS = {
    "structural/1": "structural",
    "sampler/1": "sampler",
    "many-runs-gdp/1": "end-to-end",
    "one-run-canaries/1": "end-to-end",
}
"""The level of each audit."""

Level = Literal["structural", "sampler", "end-to-end"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What was looked at, short and fixed: `sensitivity`, `plan`, ...
        passed: Whether it holds.
        detail: In words, without private values.
    """

    name: str
    passed: bool
    detail: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not isinstance(self.detail, str):
            raise ConfigurationError("Expected the name and the detail of a check as text.")
        if not self.name or not isinstance(self.passed, bool):
            raise ConfigurationError("Expected a check with a name, and whether it passed.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """The promise that was tested.

    Attributes:
        epsilon: The run is claimed to be (epsilon, delta)-differentially private.
        delta: See epsilon.
        mu: The run is claimed to be mu-GDP; None where that is not claimed.
    """

    epsilon: float
    delta: float
    mu: float | None = None

    def __post_init__(self) -> None:
        _validate.non_negative("epsilon", self.epsilon)
        _validate.non_negative("delta", self.delta)
        _optional("mu", self.mu)


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What one audit of one configured generator found.

    Attributes:
        audit: Name and version of the audit, one of `AUDITS`.
        level: What is attacked: the structure of the code, the sampler of its noise, or whole runs.
        method: Name of the generator.
        configuration: SHA-256 of its configuration, see `configuration_digest`.
        threat_model: What the attacker sees and chooses, in words.
        claim: What was promised.
        runs: Independent runs, canaries or draws; what it counts is in the threat model.
        lower_bound: Bound from below on epsilon at the delta of the claim; None where none is estimated.
        lower_bound_mu: The same on mu.
        confidence: With which the bounds hold.
        ceiling: Largest lower bound that this audit could have reported with so many runs.
        ceiling_mu: The same on mu.
        checks: What was looked at.
        version: Of dpsynth.
    """

    audit: str
    level: Level
    method: str
    configuration: str
    threat_model: str
    claim: Claim
    runs: int
    checks: tuple[Check, ...]
    lower_bound: float | None = None
    lower_bound_mu: float | None = None
    confidence: float = 0.95
    ceiling: float | None = None
    ceiling_mu: float | None = None
    version: str = __version__

    def __post_init__(self) -> None:
        if AUDITS.get(self.audit) != self.level:
            raise ConfigurationError(f"Expected one of {sorted(AUDITS)} with its level, got {self.audit!r}.")
        _validate.count("runs", self.runs)
        _validate.fraction("confidence", self.confidence)
        for name in ("lower_bound", "lower_bound_mu", "ceiling", "ceiling_mu"):
            _optional(name, getattr(self, name))
        if not self.checks:
            raise ConfigurationError("Expected at least one check: an audit that looks at nothing passes.")
        for name in ("method", "configuration", "threat_model", "version"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise ConfigurationError(f"Expected {name} as text.")

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)

    @property
    def verdict(self) -> Literal["pass", "fail"]:
        """`pass` or `fail`."""
        return "pass" if self.passed else "fail"

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that do not hold."""
        return tuple(check for check in self.checks if not check.passed)

    def in_words(self) -> str:
        """The whole in a few lines."""
        lines = [
            f"{self.level.capitalize()} audit of {self.method}: {self.verdict.upper()}",
            f"Claim: epsilon = {self.claim.epsilon:.4g} at delta = {self.claim.delta:.3g}"
            + ("." if self.claim.mu is None else f", mu = {self.claim.mu:.4g}."),
            f"Threat model: {self.threat_model}",
        ]
        if self.lower_bound is not None:
            could = "" if self.ceiling is None else f"; it could have shown up to {self.ceiling:.4g}"
            lines.append(
                f"From {self.runs} runs: epsilon is at least {self.lower_bound:.4g}"
                f" ({self.confidence:.0%} confidence){could}."
            )
        if self.lower_bound_mu is not None:
            could = "" if self.ceiling_mu is None else f"; it could have shown up to {self.ceiling_mu:.4g}"
            lines.append(
                f"mu is at least {self.lower_bound_mu:.4g} ({self.confidence:.0%} confidence){could}."
            )
        lines += [f"{'pass' if c.passed else 'FAIL'}  {c.name}: {c.detail}" for c in self.checks]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `from_json` reads them back."""
        body = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            "kind": KIND,
            **body,
            "claim": asdict(self.claim),
            "checks": [asdict(check) for check in self.checks],
            "verdict": self.verdict,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Evidence:
        """Read evidence back, strictly.

        Raises:
            StorageError: A field is missing, unknown or impossible, or the verdict is not that of the checks.
        """
        if not isinstance(data, Mapping) or data.get("kind") != KIND:
            raise StorageError(f"Expected audit evidence of kind {KIND!r}.")
        body = {name: value for name, value in data.items() if name not in ("kind", "verdict")}
        if set(body) != {field.name for field in fields(cls)}:
            raise StorageError("The evidence lacks a field, or has one that this version does not know.")
        try:
            body["claim"] = Claim(**body["claim"])
            body["checks"] = tuple(Check(**check) for check in body["checks"])
            evidence = cls(**body)
        except (TypeError, ValueError) as error:
            raise StorageError("The evidence holds a field that this version cannot read.") from error
        if data.get("verdict") != evidence.verdict:
            raise StorageError("The verdict of the evidence is not that of its checks.")
        return evidence


def configuration_digest(generator: object) -> str:
    """SHA-256, as hexadecimal text, of the canonical JSON of a generator's configuration.

    A certificate names the configuration in the same form, so that its reader can tell whether evidence is
    about these settings.
    """
    return hashlib.sha256(canonical(configuration_of(generator))).hexdigest()


def _optional(name: str, value: object) -> None:
    if value is not None:
        _validate.non_negative(name, value)
