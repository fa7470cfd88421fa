"""The whole verification of a release folder, from the signature to the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from .canonical import canonical, parse
from .claims import check_claims
from .data import check_data, check_schema
from .envelope import PAYLOAD_TYPE, EnvelopeError, Opened, load_public, unpack
from .envelope import verify as open_envelope
from .evidence import check_evidence, check_rest
from .folder import ENVELOPE, check_files, opened, read_small
from .ledger import check_ledger
from .policy import Policy, PolicyError, check_policy, load_policy
from .sentences import check_sentences
from .shape import errors
from .verdict import Statement, Verification, attested, failed, recomputed

__all__ = ["read_certificate", "verify"]

Json: TypeAlias = "Mapping[str, Any]"

_LARGEST_CATEGORY = 2**64  # categories may be whole numbers of 64 bits
# What careful code still meets in hostile input; whatever it is, the check did not succeed.
_TROUBLE = (ValueError, TypeError, LookupError, ArithmeticError, RecursionError, MemoryError, OSError)


def verify(
    folder: str | Path,
    *,
    trust: Sequence[str | Path] = (),
    any_key: bool = False,
    policy: str | Path | Policy | None = None,
    ledger: str | Path | None = None,
    more: Iterable[Statement] = (),
) -> Verification:
    """Check a certified release: signatures, files, form, privacy claims, evidence, rows and ledger.

    Without a trusted key nothing is known about who signed, or whether anybody did: the verification fails,
    so that a release that somebody made up does not pass by default. `any_key` asks for the rest alone;
    then the signature is told as attested.

    Args:
        folder: The release.
        trust: Files of Ed25519 public keys (PEM) that the reader got from the publisher by another way. A
            signature of one of them is enough unless the policy asks for more; a bad one always fails.
        any_key: Go on without a trusted key.
        policy: What the reader demands, or the file of it.
        ledger: The ledger of the run, or its export in lines. Default: the certificate's word is taken.
        more: Findings of other programs, added to the list.

    Returns:
        A finding for everything that was looked at. Hostile input is a failed finding, never an error.
    """
    found: list[Statement] = []
    payload, signed = _opened(Path(folder), trust, found, any_key=any_key)
    statement = None if payload is None else _statement(payload, found)
    if statement is not None:
        for subject, part in _parts(Path(folder), statement, policy, ledger, signed):
            found += _tried(subject, part)
    return Verification(statements=(*found, *more))


def read_certificate(folder: str | Path) -> Json:
    """The signed statement of a release, of the right form. Nothing is verified.

    Raises:
        ValueError: It cannot be read, or has another form.
    """
    envelope = unpack(read_small(Path(folder), ENVELOPE))
    found: list[Statement] = []
    statement = _statement(open_envelope(envelope, ()).payload, found)
    if statement is None:
        raise ValueError(f"The certificate has another form: {found[-1].words}")
    return statement


def _parts(
    folder: Path, statement: Json, policy: str | Path | Policy | None, ledger: str | Path | None, signed: int
) -> list[tuple[str, Callable[[], Iterable[Statement]]]]:
    """Each check with the subject under which trouble is told."""
    certificate = statement["predicate"]
    return [
        ("files", lambda: check_files(folder, statement["subject"])),
        ("claim", lambda: check_claims(certificate)),
        ("risk", lambda: check_sentences(certificate)),
        ("audit", lambda: check_evidence(certificate)),
        ("data", lambda: _rows(folder, statement)),
        ("ledger", lambda: _ledger(certificate, ledger)),
        ("certificate", lambda: check_rest(certificate)),
        ("policy", lambda: _policy(certificate, policy, signed, given=ledger is not None)),
    ]


def _tried(subject: str, part: Callable[[], Iterable[Statement]]) -> list[Statement]:
    found: list[Statement] = []
    try:
        found.extend(part())
    except _TROUBLE as error:
        found.append(failed(subject, f"could not be checked ({type(error).__name__})"))
    return found


def _opened(
    folder: Path, trust: Sequence[str | Path], found: list[Statement], *, any_key: bool
) -> tuple[bytes | None, int]:
    """The signed bytes and how many trusted keys signed them."""
    try:
        keys = [load_public(path) for path in trust]
        opened = open_envelope(unpack(read_small(folder, ENVELOPE)), keys)
        if opened.payload_type != PAYLOAD_TYPE:
            raise EnvelopeError(f"The envelope signs something else than {PAYLOAD_TYPE}.")
    except _TROUBLE as error:
        words = str(error) if isinstance(error, ValueError) else f"could not be read ({type(error).__name__})"
        found.append(failed("signature", words))
        return None, 0
    found += _signatures(opened, trusted=bool(keys), any_key=any_key)
    return opened.payload, len(opened.signed)


def _signatures(opened: Opened, *, trusted: bool, any_key: bool) -> Iterator[Statement]:
    names = ", ".join(f"{name[:16]}..." for name in opened.unknown[:5])
    for name in opened.signed:
        yield recomputed("signature", f"good, of the trusted key {name[:16]}...")
    for name in opened.forged:
        yield failed("signature", f"not good: the trusted key {name[:16]}... did not sign this")
    if trusted and opened.unknown:
        yield attested("signature", f"not checked, for keys that you do not trust: {names}")
    if trusted and not opened.signed:
        yield failed("signature", "no trusted key signed this certificate")
    if not trusted and any_key:
        yield attested(
            "signature", f"not checked: nobody is known to have signed. The envelope names {names}"
        )
    if not trusted and not any_key:
        yield failed(
            "signature",
            "not checked: no trusted key was given, so that anybody may have written this. Get the key from "
            f"the publisher and pass --trust KEY.pub, or --any-key for the rest. The envelope names {names}",
        )


def _statement(payload: bytes, found: list[Statement]) -> Json | None:
    """The statement in the payload if it has the right form."""
    try:
        statement: Json = parse(payload)
        if canonical(statement) != payload:
            raise ValueError("The payload is not canonical JSON (RFC 8785).")
        departures = errors(statement)
    except _TROUBLE as error:
        found.append(failed("certificate: form", str(error) or type(error).__name__))
        return None
    if departures:
        found += [failed("certificate: form", departure) for departure in departures]
        return None
    found.append(recomputed("certificate: form", "is a release certificate, version 1"))
    return statement


def _rows(folder: Path, statement: Json) -> Iterator[Statement]:
    certificate, names = statement["predicate"], [subject["name"] for subject in statement["subject"]]
    if "schema.json" in names:
        data = read_small(folder, "schema.json")
        document = parse(data, largest=_LARGEST_CATEGORY)
        yield from check_schema(certificate, data, document)
        if "data.csv" in names:
            with opened(folder, "data.csv") as file:
                yield from check_data(certificate, document, file)
    if "data.csv" not in names:
        yield attested("data: rows", "data.parquet is not read by this program; `dpsynth verify` reads it")
    else:
        yield attested(
            "data: parquet", "that data.parquet holds the same rows as data.csv is not checked here"
        )


def _ledger(certificate: Json, ledger: str | Path | None) -> list[Statement]:
    if ledger is not None:
        return check_ledger(certificate, ledger)
    words = (
        "no ledger was given: that the run was paid for, and how often the people were, is the signer's word"
    )
    return [attested("ledger", words)]


def _policy(
    certificate: Json, policy: str | Path | Policy | None, signed: int, *, given: bool
) -> Iterator[Statement]:
    if policy is None:
        return
    try:
        rules = policy if isinstance(policy, Policy) else load_policy(policy)
    except PolicyError as error:
        yield failed("policy", str(error))
        return
    yield from check_policy(rules, certificate, signed=signed, ledger=given)
