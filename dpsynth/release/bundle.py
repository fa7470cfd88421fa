"""From a fitted model to a certified release: a folder that a stranger can check."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dpsynth import _validate
from dpsynth._archive import write_atomically
from dpsynth.errors import ConfigurationError, PrivacyError, StorageError
from dpsynth.release.certificate import Release, statement
from dpsynth.release.descriptions import croissant, deployment
from dpsynth.release.keys import private_key, public_pem
from dpsynth.release.staging import staged
from dpsynth.verifier.canonical import canonical
from dpsynth.verifier.envelope import PAYLOAD_TYPE, key_id, sign, unpack
from dpsynth.verifier.envelope import verify as opened
from dpsynth.verifier.envelope import write as written

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from dpsynth.auditing.evidence import Evidence
    from dpsynth.evaluation.results import Evaluation
    from dpsynth.generators import FittedModel, SyntheticTable

__all__ = ["ENVELOPE", "countersign", "publish"]

ENVELOPE = "certificate.dsse.json"
DATA, TEXT, SCHEMA, CARD = "data.parquet", "data.csv", "schema.json", "release-card.html"
CROISSANT, DEPLOYMENT = "croissant.json", "deployment.json"

_CHOSEN = "before the run, without looking at the private table"
_REMEDIES = {
    "test noise": "Run again outside `insecure_noise`.",
    "assumes": "Declare the columns from public knowledge, or buy them by discovery, and run again.",
    "completed": "Release rows that the model draws instead.",
    "not accounted": "Choose by a mode that is paid or free of private rows, and run through the ledger.",
}
_PUBLISHER = ("name", "purpose", "licence", "contact")


def publish(  # noqa: PLR0913 - the one call that gathers every choice of a release
    model: FittedModel | str | Path,
    *,
    rows: int | Literal["estimate"],
    key: str | Path | Ed25519PrivateKey | Sequence[str | Path | Ed25519PrivateKey],
    out: str | Path,
    passphrase: str | None = None,
    csv: bool = False,
    title: str | None = None,
    chosen: str = _CHOSEN,
    publisher: Mapping[str, str] | None = None,
    evidence: Sequence[Evidence] = (),
    scores: Evaluation | None = None,
) -> Path:
    """Draw a table from a model and write it with a signed certificate.

    Args:
        model: The fitted model, its file, or the folder that a run wrote.
        rows: A number that you hold public, never that of the private table; or `estimate`, the private
            estimate that the run paid for.
        key: One signing key or several: files of `new_key`, or keys themselves.
        out: The folder to write. It must not exist, or be empty.
        passphrase: Of the key files.
        csv: Whether to add the rows as text.
        title: For people; the schema's name if there is none.
        chosen: How method and settings were chosen. If somebody looked at private rows for it, that has its
            price in the ledger, and is said here.
        publisher: `name`, `purpose`, `licence`, `contact`; for the card, the registry and search engines.
        evidence: Audits of the method, from `dpsynth.auditing`.
        scores: Public or paid numbers about the table, from `Evaluation.publishable()`.

    Returns:
        The folder. It has passed `verify` before it appeared.

    Raises:
        PrivacyError: The run can never be certified (the message says why and what to do), or a score is
            confidential. Nothing was written.
        ConfigurationError: An argument does not fit, or the key does not open.
        StorageError: The folder exists or cannot be written.

    Privacy: post-processing of a model that is paid for. The certificate holds no function of the private
        rows beyond the answers that were.
    """
    fitted, told = _opened(model), _told(publisher)
    _refuse(fitted, scores, evidence)
    keys = [
        private_key(one, passphrase=passphrase) if isinstance(one, (str, Path)) else one
        for one in _several(key)
    ]
    table = fitted.sample(None if rows == "estimate" else _validate.count("rows", rows))
    about = Release(
        title=title or fitted.schema.name or fitted.guarantee.dataset,
        rows=len(table.frame),
        rows_from="private estimate" if rows == "estimate" else "asked",
        columns=tuple(map(str, table.frame.columns)),
        post_processing=_post_processing(table),
        chosen=chosen,
        publisher=told,
    )
    with staged(out) as folder:
        _write(folder, table, about, scores=scores, csv=csv)
        claims = statement(
            fitted.guarantee,
            fitted.schema,
            about,
            subjects={path.name: _digest(path) for path in folder.iterdir()},
            evidence=evidence,
            scores=scores,
        )
        _put(folder / ENVELOPE, written(sign(canonical(claims), PAYLOAD_TYPE, keys)))
        _checked(folder, keys)
    return Path(out)


def countersign(
    folder: str | Path, *, key: str | Path | Ed25519PrivateKey, passphrase: str | None = None
) -> str:
    """Add a signature to a release, for example that of a second officer.

    Returns:
        The identity of the key.

    Raises:
        StorageError: There is no envelope, or it is damaged.
        ConfigurationError: The key does not open, or has signed already.
    """
    path = Path(folder) / ENVELOPE
    try:
        envelope = unpack(path.read_bytes())
        payload = opened(envelope, ()).payload
    except (OSError, ValueError) as error:
        raise StorageError(f"{str(path)!r} holds no certificate that can be signed.") from error
    secret = private_key(key, passphrase=passphrase) if isinstance(key, (str, Path)) else key
    name = key_id(secret.public_key())
    if any(one["keyid"] == name for one in envelope["signatures"]):
        raise ConfigurationError("This key has signed the release already.")
    envelope["signatures"] += sign(payload, envelope["payloadType"], [secret])["signatures"]
    _put(path, written(envelope))
    return name


def _opened(model: FittedModel | str | Path) -> FittedModel:
    from dpsynth.generators import FittedModel

    if isinstance(model, FittedModel):
        return model
    path = Path(model)
    return FittedModel.load(path / "model.dps" if path.is_dir() else path)


def _refuse(fitted: FittedModel, scores: Evaluation | None, evidence: Sequence[Evidence]) -> None:
    for taint in fitted.guarantee.taints:
        remedy = next(
            (words for sign_of, words in _REMEDIES.items() if sign_of in taint), "Run again without it."
        )
        raise PrivacyError(f"This run can never be certified: {taint}. {remedy}")
    if scores is not None and scores.disclosure.kind == "confidential":
        raise PrivacyError(
            "These scores are confidential: they were computed from real rows without noise. Give "
            "`evaluation.publishable()`, or pay for scores with `dpsynth evaluate --publish-epsilon`."
        )
    for one in evidence:
        if one.method != fitted.guarantee.method:
            raise ConfigurationError(
                f"Expected evidence about {fitted.guarantee.method!r}, got some about {one.method!r}."
            )
        if one.verdict != "pass":
            raise PrivacyError(f"An audit of {one.method!r} failed ({one.audit}). Do not release; report it.")


def _told(publisher: Mapping[str, str] | None) -> dict[str, str]:
    told = dict(publisher or {})
    unknown = sorted(set(told) - set(_PUBLISHER))
    if unknown or not all(isinstance(words, str) and words.strip() for words in told.values()):
        raise ConfigurationError(
            f"Expected texts for {list(_PUBLISHER)} about the publisher, got {unknown or told}."
        )
    return told


def _several(key: Any) -> list[Any]:
    keys = list(key) if isinstance(key, (list, tuple)) else [key]
    if not keys:
        raise ConfigurationError("Expected at least one key. Make one with `dpsynth keys new`.")
    return keys


def _post_processing(table: SyntheticTable) -> tuple[str, ...]:
    steps = ["The model was fitted to the paid answers alone.", "Rows were drawn from the model."]
    if table.acceptance is not None:
        steps.append(table.acceptance.in_words())
    return tuple(steps)


def _write(
    folder: Path, table: SyntheticTable, about: Release, *, scores: Evaluation | None, csv: bool
) -> None:
    from dpsynth.evaluation.report import release_card

    table.to_parquet(folder / DATA)
    if csv:
        table.to_csv(folder / TEXT)
    table.model.schema.save(folder / SCHEMA)
    release_card(table.guarantee, scores, folder / CARD)
    data = [folder / DATA, *([folder / TEXT] if csv else [])]
    describe: dict[str, Callable[..., dict[str, Any]]] = {CROISSANT: croissant, DEPLOYMENT: deployment}
    for name, make in describe.items():
        body = make(table.guarantee, table.model.schema, about, {path.name: _digest(path) for path in data})
        _put(folder / name, json.dumps(body, indent=1, ensure_ascii=False).encode() + b"\n")


def _checked(folder: Path, keys: Sequence[Ed25519PrivateKey]) -> None:
    """A release that does not pass its own verification never leaves."""
    from dpsynth.release.verification import verify

    with tempfile.TemporaryDirectory() as place:
        trust = [Path(place) / f"{number}.pub" for number in range(len(keys))]
        for path, key in zip(trust, keys, strict=True):
            path.write_bytes(public_pem(key.public_key()))
        found = verify(folder, trust=trust)
    if not found.ok:
        words = "; ".join(f"{one.subject}: {one.words}" for one in found.failed)
        raise StorageError(f"The release does not pass its own verification and was not written: {words}")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _put(path: Path, data: bytes) -> None:
    write_atomically(path, lambda file: file.write(data))
