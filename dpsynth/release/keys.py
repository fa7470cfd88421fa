"""Keys that sign releases: made once, kept encrypted, with the half that everybody may have beside them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dpsynth._archive import write_atomically
from dpsynth.errors import ConfigurationError, StorageError
from dpsynth.verifier.envelope import key_id

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

__all__ = [
    "SHORTEST_PASSPHRASE",
    "key_id",
    "new_key",
    "private_key",
    "public_half",
    "public_path",
    "public_pem",
]

SHORTEST_PASSPHRASE = 8


def public_path(path: str | Path) -> Path:
    """Where the public half of a key lies."""
    return Path(f"{path}.pub")


def new_key(path: str | Path, *, passphrase: str | None) -> str:
    """Make an Ed25519 key.

    Args:
        path: File of the private half, readable by its owner alone; the public half is beside it, as
            `PATH.pub`. Neither may exist.
        passphrase: Encrypts the private half. None leaves it open to whoever can read the file: for machines
            that sign by themselves.

    Returns:
        The identity of the key: SHA-256 of the public half.

    Raises:
        ConfigurationError: A file exists, or the passphrase is too short.
        StorageError: A file cannot be written.
    """
    from cryptography.hazmat.primitives import serialization as forms
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private, public = Path(path), public_path(path)
    for place in (private, public):
        if place.exists():
            raise ConfigurationError(
                f"{str(place)!r} exists. A key is never overwritten: choose another name."
            )
    if passphrase is not None and len(passphrase) < SHORTEST_PASSPHRASE:
        raise ConfigurationError(f"Expected a passphrase of at least {SHORTEST_PASSPHRASE} characters.")
    key = Ed25519PrivateKey.generate()
    locked: forms.KeySerializationEncryption = (
        forms.NoEncryption() if passphrase is None else forms.BestAvailableEncryption(passphrase.encode())
    )
    secret = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, locked)
    write_atomically(private, lambda file: file.write(secret), mode=0o600)
    write_atomically(public, lambda file: file.write(public_pem(key.public_key())))
    return key_id(key.public_key())


def private_key(path: str | Path, *, passphrase: str | None = None) -> Ed25519PrivateKey:
    """Read the private half of a key.

    Raises:
        ConfigurationError: A passphrase is missing, wrong or not needed.
        StorageError: The file cannot be read, or holds no Ed25519 key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise StorageError(f"Cannot read the key {str(path)!r}: {error.strerror}.") from error
    try:
        key = load_pem_private_key(text, None if passphrase is None else passphrase.encode())
    except TypeError as error:
        remedy = "Leave the passphrase out." if passphrase is not None else "Give its passphrase."
        raise ConfigurationError(f"The key {str(path)!r} does not open this way. {remedy}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(
            f"The key {str(path)!r} does not open: the passphrase is wrong, or the file holds no private key."
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise StorageError(f"{str(path)!r} is no Ed25519 key. Make one with `dpsynth keys new`.")
    with suppress(OSError):
        if os.name == "posix" and Path(path).stat().st_mode & 0o077:
            raise ConfigurationError(
                f"The key {str(path)!r} may be read by others. Allow its owner alone: chmod 600."
            )
    return key


def public_pem(key: Ed25519PublicKey) -> bytes:
    """A public key as text for a file."""
    from cryptography.hazmat.primitives import serialization as forms

    return key.public_bytes(forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo)


def public_half(path: str | Path) -> Ed25519PublicKey:
    """Read a public key.

    Raises:
        StorageError: The file holds none.
    """
    from dpsynth.verifier.envelope import EnvelopeError, load_public

    try:
        return load_public(path)
    except EnvelopeError as error:
        raise StorageError(str(error)) from error
