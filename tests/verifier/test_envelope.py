"""Envelopes: what is signed, by whom, and that nothing else is taken for it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from certified import TYPE, public_file
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.verifier.envelope import (
    EnvelopeError,
    encoded,
    key_id,
    load_public,
    sign,
    unpack,
    verify,
    write,
)

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
NAME, OTHER_NAME = key_id(KEY.public_key()), key_id(OTHER.public_key())


def test_what_is_signed_is_the_example_of_the_standard() -> None:
    assert encoded("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


@given(st.binary(min_size=1), st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_what_was_signed_is_opened(payload: bytes, payload_type: str) -> None:
    opened = verify(unpack(write(sign(payload, payload_type, [KEY]))), [KEY.public_key()])
    assert (opened.payload, opened.payload_type) == (payload, payload_type)
    assert (opened.signed, opened.forged, opened.unknown) == ((NAME,), (), ())


def test_each_signature_counts_under_its_own_key_only() -> None:
    envelope = sign(b"{}", TYPE, [KEY, OTHER, KEY])
    assert len(envelope["signatures"]) == 2
    both = verify(envelope, [KEY.public_key(), OTHER.public_key()])
    assert set(both.signed) == {NAME, OTHER_NAME}
    one = verify(envelope, [OTHER.public_key()])
    assert (one.signed, one.unknown) == ((OTHER_NAME,), (NAME,))


@pytest.mark.parametrize("field", ["payload", "payloadType", "sig"])
def test_any_change_is_a_forgery(field: str) -> None:
    envelope = sign(b"{}", TYPE, [KEY])
    if field == "sig":
        envelope["signatures"][0]["sig"] = sign(b"[]", TYPE, [KEY])["signatures"][0]["sig"]
    else:
        envelope[field] = {"payload": "W10=", "payloadType": "text/plain"}[field]
    opened = verify(envelope, [KEY.public_key()])
    assert (opened.signed, opened.forged) == ((), (NAME,))


def test_a_signature_under_the_name_of_another_key_is_a_forgery() -> None:
    envelope = sign(b"{}", TYPE, [OTHER])
    envelope["signatures"][0]["keyid"] = NAME
    assert verify(envelope, [KEY.public_key(), OTHER.public_key()]).forged == (NAME,)


def test_another_implementation_verifies_our_envelopes() -> None:
    pytest.importorskip("securesystemslib")
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import SSlibKey

    ours = sign(b'{"a":1}', TYPE, [KEY, OTHER])
    theirs = Envelope.from_dict(json.loads(write(ours)))
    keys = [
        SSlibKey.from_crypto(key.public_key(), keyid=name) for key, name in ((KEY, NAME), (OTHER, OTHER_NAME))
    ]
    assert set(theirs.verify(keys, 2)) == {NAME, OTHER_NAME}
    theirs.payload = b'{"a":2}'
    with pytest.raises(Exception, match="threshold"):
        theirs.verify(keys, 1)


def test_envelopes_of_another_implementation_are_opened() -> None:
    pytest.importorskip("securesystemslib")
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner, SSlibKey

    theirs = Envelope(b'{"a":1}', TYPE, {})
    theirs.sign(CryptoSigner(KEY, SSlibKey.from_crypto(KEY.public_key(), keyid=NAME)))
    opened = verify(unpack(json.dumps(theirs.to_dict()).encode()), [KEY.public_key()])
    assert opened.signed == (NAME,)


def changed(**more: Any) -> bytes:
    return json.dumps({**sign(b"{}", TYPE, [KEY]), **more}).encode()


def signature(**more: Any) -> list[dict[str, Any]]:
    return [{**sign(b"{}", TYPE, [KEY])["signatures"][0], **more}]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"[]", "exactly the fields"),
        (b"null", "exactly the fields"),
        (changed(more=1), "exactly the fields"),
        (changed(payload=1), "no text"),
        (changed(signatures=[]), "between 1 and 100"),
        (changed(signatures={}), "between 1 and 100"),
        (changed(signatures=signature() * 101), "between 1 and 100"),
        (changed(signatures=signature() * 2), "signs twice"),
        (changed(signatures=signature(more=1)), "exactly the fields"),
        (changed(signatures=signature(keyid=3)), "no text"),
        (changed(signatures=signature(sig="AA==")), "64 bytes"),
        (changed(signatures=signature(sig="!")), "base64"),
    ],
)
def test_another_form_is_refused_in_words(data: bytes, words: str) -> None:
    with pytest.raises(EnvelopeError, match=words):
        unpack(data)


@pytest.mark.parametrize("text", ["e30", "e30=\n", " e30=", "e3-_", "e31=", "", "ä"])
def test_a_payload_has_one_spelling(text: str) -> None:
    with pytest.raises(EnvelopeError, match="base64"):
        verify({**sign(b"{}", TYPE, [KEY]), "payload": text}, [KEY.public_key()])


def test_the_name_of_a_key_is_the_digest_of_its_public_half(tmp_path: Path) -> None:
    import hashlib

    path = public_file(KEY, tmp_path / "KEY.pub")
    der = base64.b64decode("".join(path.read_text().splitlines()[1:-1]))
    assert key_id(load_public(path)) == hashlib.sha256(der).hexdigest() == NAME


def test_other_keys_are_refused_in_words(tmp_path: Path) -> None:
    for name, content, words in (
        ("other.pub", b"no key", "no public key in PEM"),
        ("curve.pub", None, "no Ed25519 key"),
        ("missing.pub", b"", "cannot be read"),
    ):
        path = tmp_path / name
        if content is None:
            public_file(generate_private_key(SECP256R1()), path)  # type: ignore[arg-type]
        elif content:
            path.write_bytes(content)
        with pytest.raises(EnvelopeError, match=words):
            load_public(path)
