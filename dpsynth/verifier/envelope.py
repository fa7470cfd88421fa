"""DSSE envelopes with Ed25519 signatures: who signed which bytes, and as what.

What is signed is not the payload alone but its type with it (the pre-authentication encoding of DSSE 1.0),
so that a signed statement cannot be passed off as something else. A key is named by the SHA-256 of its public
half (SubjectPublicKeyInfo, DER); the name in an envelope is a hint, and a signature counts only under a
public key that the reader holds already.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .canonical import canonical, parse

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

__all__ = ["EnvelopeError", "Opened", "encoded", "key_id", "load_public", "sign", "unpack", "verify", "write"]

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_MOST_SIGNATURES = 100
_LARGEST_KEY = 10_000


class EnvelopeError(ValueError):
    """The envelope has not the strict form, or a key cannot be read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """What an envelope holds.

    Attributes:
        payload: The signed bytes. Nobody vouches for them unless `signed` says so.
        payload_type: As what they were signed.
        signed: Names of the given keys whose signatures are good.
        forged: Names of given keys that the envelope claims and whose signatures are not good.
        unknown: Names that the envelope claims and that no given key has: not checked.
    """

    payload: bytes
    payload_type: str
    signed: tuple[str, ...]
    forged: tuple[str, ...]
    unknown: tuple[str, ...]


def encoded(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding: the bytes that are signed."""
    name = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)


def key_id(key: Ed25519PublicKey) -> str:
    """The name of a key: SHA-256 of its SubjectPublicKeyInfo, in hexadecimal digits."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def load_public(path: str | Path) -> Ed25519PublicKey:
    """Read an Ed25519 public key from a PEM file.

    Raises:
        EnvelopeError: It cannot be read, or is another kind of key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        with Path(path).open("rb") as file:
            key = load_pem_public_key(file.read(_LARGEST_KEY))
    except OSError as error:
        raise EnvelopeError(f"The key {Path(path).name!r} cannot be read ({error.strerror}).") from error
    except (ValueError, UnsupportedAlgorithm):
        raise EnvelopeError(f"The file {Path(path).name!r} holds no public key in PEM form.") from None
    if not isinstance(key, Ed25519PublicKey):
        raise EnvelopeError(f"The key {Path(path).name!r} is no Ed25519 key.")
    return key


def sign(payload: bytes, payload_type: str, keys: Iterable[Ed25519PrivateKey]) -> dict[str, Any]:
    """An envelope of `payload`, signed by each key once; `canonical` turns it into bytes."""
    message = encoded(payload_type, payload)
    found = {key_id(key.public_key()): key.sign(message) for key in keys}
    signatures = [{"keyid": name, "sig": _text(found[name])} for name in sorted(found)]
    return {"payload": _text(payload), "payloadType": payload_type, "signatures": signatures}


def unpack(data: bytes) -> dict[str, Any]:
    """Read the bytes of an envelope and check its form, not its signatures.

    Raises:
        JsonError: It is no strict JSON.
        EnvelopeError: It has another form.
    """
    envelope = parse(data)
    _strings(envelope, {"payload", "payloadType"}, {"signatures"}, "The envelope")
    signatures = envelope["signatures"]
    if not isinstance(signatures, list) or not 1 <= len(signatures) <= _MOST_SIGNATURES:
        raise EnvelopeError(f"The envelope has not between 1 and {_MOST_SIGNATURES} signatures.")
    for signature in signatures:
        _strings(signature, {"keyid", "sig"}, set(), "A signature")
        if len(_bytes(signature["sig"], "A signature")) != 64:
            raise EnvelopeError("A signature has not the 64 bytes of Ed25519.")
    names = [signature["keyid"] for signature in signatures]
    if len(set(names)) < len(names):
        raise EnvelopeError("One key signs twice in the envelope; each counts once.")
    return dict(envelope)


def verify(envelope: Mapping[str, Any], keys: Iterable[Ed25519PublicKey]) -> Opened:
    """Open an envelope and say which of `keys` signed it.

    Args:
        envelope: From `unpack`.
        keys: Public keys that the reader trusts, got from somewhere else than the envelope.

    Raises:
        EnvelopeError: The payload is not spelled in base64 of the strict form.
    """
    from cryptography.exceptions import InvalidSignature

    payload = _bytes(envelope["payload"], "The payload")
    message = encoded(envelope["payloadType"], payload)
    known = {key_id(key): key for key in keys}
    signed, forged, unknown = [], [], []
    for signature in envelope["signatures"]:
        name = signature["keyid"]
        if name not in known:
            unknown.append(name)
            continue
        try:
            known[name].verify(_bytes(signature["sig"], "A signature"), message)
            signed.append(name)
        except InvalidSignature:
            forged.append(name)
    return Opened(
        payload=payload,
        payload_type=envelope["payloadType"],
        signed=tuple(signed),
        forged=tuple(forged),
        unknown=tuple(unknown),
    )


def write(envelope: Mapping[str, Any]) -> bytes:
    """The bytes of an envelope, as they are stored."""
    return canonical(dict(envelope)) + b"\n"


def _strings(value: object, texts: set[str], others: set[str], what: str) -> None:
    if not isinstance(value, dict) or value.keys() != texts | others:
        raise EnvelopeError(f"{what} has not exactly the fields {sorted(texts | others)}.")
    if not all(isinstance(value[name], str) for name in texts):
        raise EnvelopeError(f"{what} has a field that is no text.")


def _text(data: bytes) -> str:
    return base64.standard_b64encode(data).decode("ascii")


def _bytes(text: str, what: str) -> bytes:
    """One text for each value: what other readers would skip or repair is refused."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data or _text(data) != text:
        raise EnvelopeError(f"{what} is not spelled in standard base64 with padding.")
    return data
