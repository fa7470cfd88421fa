"""What a reader demands of a release, as a JSON document; each rule that is broken is named.

    {"max_epsilon": 3, "max_delta": 1e-6, "units": [{"relation": "add_remove", "id_column": "patient_id"}],
     "min_audit": ["structural", "sampler"], "signatures": 2, "require_ledger": true, "max_age_days": 365}

Every key may be left out; an unknown one is refused, so that a misspelled rule is not taken for a met one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

from .canonical import JsonError, parse
from .verdict import Statement, failed, recomputed

__all__ = ["Policy", "PolicyError", "check_policy", "load_policy", "read_policy"]

Json: TypeAlias = "Mapping[str, Any]"

LEVELS = ("structural", "sampler", "end-to-end")
_UNIT: dict[str, tuple[type, ...]] = {
    "relation": (str,),
    "contributions": (int,),
    "id_column": (str, type(None)),
}
_LARGEST = 2**20


class PolicyError(ValueError):
    """The policy is not of the form above."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What a release has to meet. None and empty: no such rule.

    Attributes:
        max_epsilon: Largest epsilon of the claim.
        max_delta: Largest delta of the claim.
        units: The unit of privacy agrees with all fields of one of these.
        min_audit: Levels of audit evidence that must be there and pass.
        signatures: How many trusted keys must have signed; at least 1 wherever keys are given.
        require_ledger: The ledger itself must be given.
        max_age_days: Most days since the certificate was issued.
    """

    max_epsilon: float | None = None
    max_delta: float | None = None
    units: tuple[Json, ...] = ()
    min_audit: tuple[str, ...] = ()
    signatures: int | None = None
    require_ledger: bool = False
    max_age_days: float | None = None


def load_policy(path: str | Path) -> Policy:
    """Read a policy from a file.

    Raises:
        PolicyError: It cannot be read, or is no policy.
    """
    try:
        with Path(path).open("rb") as file:
            return read_policy(parse(file.read(_LARGEST + 1), most_bytes=_LARGEST))
    except OSError as error:
        raise PolicyError(f"The policy cannot be read ({error.strerror}).") from error
    except JsonError as error:
        raise PolicyError(f"The policy: {error}") from error


def read_policy(document: object) -> Policy:
    """Read a policy, strictly.

    Raises:
        PolicyError: A field is unknown or of another kind.
    """
    if not isinstance(document, dict):
        raise PolicyError("A policy is a JSON object.")
    unknown = sorted(document.keys() - _READERS.keys())
    if unknown:
        raise PolicyError(f"Unknown rules in the policy: {unknown}. Known are {sorted(_READERS)}.")
    rules: dict[str, Any] = {name: _READERS[name](name, value) for name, value in document.items()}
    return Policy(**rules)


def check_policy(policy: Policy, certificate: Json, *, signed: int, ledger: bool) -> Iterator[Statement]:
    """One statement for each rule.

    Args:
        policy: The rules.
        certificate: The predicate, of the right form.
        signed: How many trusted keys have signed.
        ledger: Whether the ledger was given.
    """
    claim, rules = certificate["claim"], []
    if policy.max_epsilon is not None:
        rules.append(
            ("max_epsilon", claim["epsilon"] <= policy.max_epsilon, f"at most {policy.max_epsilon:g}")
        )
    if policy.max_delta is not None:
        rules.append(("max_delta", claim["delta"] <= policy.max_delta, f"at most {policy.max_delta:g}"))
    if policy.units:
        fits = any(all(claim["unit"][key] == unit[key] for key in unit) for unit in policy.units)
        rules.append(("units", fits, "the unit of privacy is one of those allowed"))
    if policy.min_audit:
        levels = {evidence["level"] for evidence in certificate["audit"] if evidence["verdict"] == "pass"}
        missing = [level for level in policy.min_audit if level not in levels]
        rules.append(("min_audit", not missing, f"passed audits of the levels {', '.join(policy.min_audit)}"))
    if policy.signatures is not None:
        rules.append(
            ("signatures", signed >= policy.signatures, f"signed by {policy.signatures} trusted keys")
        )
    if policy.require_ledger:
        rules.append(("require_ledger", ledger, "the ledger is given"))
    if policy.max_age_days is not None:
        young = _age(certificate["issued"], policy.max_age_days)
        rules.append(
            ("max_age_days", young, f"issued within {policy.max_age_days:g} days, and not in the future")
        )
    for name, met, words in rules:
        yield recomputed(f"policy: {name}", words) if met else failed(f"policy: {name}", f"not met: {words}")


def _age(issued: str, most: float) -> bool:
    try:
        moment = datetime.strptime(issued, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return -timedelta(days=1) <= datetime.now(UTC) - moment <= timedelta(days=most)


def _amount(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        raise PolicyError(f"{name}: expected a number that is not negative.")
    return float(value)


def _count(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise PolicyError(f"{name}: expected a whole number that is not negative.")
    return value


def _truth(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise PolicyError(f"{name}: expected true or false.")
    return value


def _levels(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(level in LEVELS for level in value):
        raise PolicyError(f"{name}: expected a list of levels, some of {', '.join(LEVELS)}.")
    return tuple(value)


def _units(name: str, value: object) -> tuple[Json, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(unit, dict) and unit for unit in value):
        raise PolicyError(f"{name}: expected a list of objects with some of {', '.join(_UNIT)}.")
    for unit in value:
        for key, part in unit.items():
            if key not in _UNIT or isinstance(part, bool) or not isinstance(part, _UNIT[key]):
                raise PolicyError(f"{name}: an unknown field, or one of another kind, in a unit.")
    return tuple(value)


_READERS: dict[str, Callable[[str, object], Any]] = {
    "max_epsilon": _amount,
    "max_delta": _amount,
    "units": _units,
    "min_audit": _levels,
    "signatures": _count,
    "require_ledger": _truth,
    "max_age_days": _amount,
}
