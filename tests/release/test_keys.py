from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from dpsynth.errors import ConfigurationError, StorageError
from dpsynth.release.keys import key_id, new_key, private_key, public_half, public_path


def test_a_key_is_encrypted_and_its_halves_belong_together(tmp_path: Path) -> None:
    path = tmp_path / "officer.key"
    name = new_key(path, passphrase="correct horse")
    assert b"ENCRYPTED" in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = private_key(path, passphrase="correct horse")
    assert key_id(key.public_key()) == key_id(public_half(public_path(path))) == name
    assert stat.S_IMODE(public_path(path).stat().st_mode) == 0o644


def test_two_keys_differ(tmp_path: Path) -> None:
    assert new_key(tmp_path / "a", passphrase=None) != new_key(tmp_path / "b", passphrase=None)


@pytest.mark.parametrize("passphrase", [None, "wrong passphrase"])
def test_an_encrypted_key_needs_its_passphrase(tmp_path: Path, passphrase: str | None) -> None:
    new_key(tmp_path / "key", passphrase="correct horse")
    with pytest.raises(ConfigurationError, match="does not open"):
        private_key(tmp_path / "key", passphrase=passphrase)


def test_an_open_key_takes_no_passphrase(tmp_path: Path) -> None:
    new_key(tmp_path / "key", passphrase=None)
    with pytest.raises(ConfigurationError, match="Leave the passphrase out"):
        private_key(tmp_path / "key", passphrase="something")


@pytest.mark.parametrize("name", ["key", "key.pub"])
def test_a_key_is_never_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(ConfigurationError, match="never overwritten"):
        new_key(tmp_path / "key", passphrase=None)
    assert (tmp_path / name).read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_short_passphrases_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="at least 8"):
        new_key(tmp_path / "key", passphrase="short")


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    new_key(tmp_path / "key", passphrase=None)
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        private_key(tmp_path / "key")


def test_other_files_are_no_keys(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="Cannot read"):
        private_key(tmp_path / "none")
    (tmp_path / "text").write_text("no key")
    with pytest.raises(ConfigurationError, match="no private key"):
        private_key(tmp_path / "text")
    with pytest.raises(StorageError, match="no public key"):
        public_half(tmp_path / "text")
    other = generate_private_key(SECP256R1())
    pem = other.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    (tmp_path / "other").write_bytes(pem)
    with pytest.raises(StorageError, match="no Ed25519 key"):
        private_key(tmp_path / "other")
