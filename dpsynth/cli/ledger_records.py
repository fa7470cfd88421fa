"""`dpsynth ledger`, what goes out and in: verify, signed heads, exports, spending elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dpsynth.bookkeeping import (
    SignedHead,
    absent,
    check_head,
    read_head,
    read_lines,
    read_spent_budget,
    sign_head,
    verify_lines,
    write_lines,
)
from dpsynth.cli.ledger_accounts import AsJson, Dataset, LedgerPath, Partition, UnitChoice, chosen, say
from dpsynth.errors import ConfigurationError
from dpsynth.ledger import Amount, Cap, Entry, Head, Ledger, Spend, Verification
from dpsynth.ledger.amounts import numbers

__all__ = ["export", "head", "import_spend", "restore", "verify"]

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_OTHER_KEY = "Expected an Ed25519 key in {}: make one with `openssl genpkey -algorithm ed25519`."


def verify(
    path: Annotated[Path, typer.Argument(help="File of the ledger, or an export of it.")],
    head: Annotated[
        str | None, typer.Option("--head", help="NUMBER:DIGEST seen earlier, which must still be there.")
    ] = None,
    signed: Annotated[
        list[Path] | None, typer.Option("--signed-head", help="File of a signed head; may be repeated.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--public-key", help="PEM file of the public key of the signed heads.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Recompute the whole ledger; exit code 1 names the first bad entry."""
    if bool(signed) != (key is not None):
        raise ConfigurationError("Expected --signed-head together with --public-key.")
    wanted = None if head is None else _head(head)
    heads = [] if key is None else [_signed(file, _public_key(key)) for file in signed or []]
    found, entries = _recomputed(path)
    if found.ok and wanted is not None:
        found = _with(found, wanted, absent(entries, wanted))
    for one in heads:
        if found.ok:
            found = _with(found, one.head, check_head(entries, one))
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2))
    elif found.ok:
        last = entries[-1]
        say(f"Sound: {found.entries} entries. Head {last.seq}:{last.digest}")
    else:
        say(f"Not sound: entry {found.first_bad_seq} is the first bad one. {found.reason}")
    if not found.ok:
        raise typer.Exit(1)


def head(
    path: LedgerPath,
    key: Annotated[
        Path | None, typer.Option("--key", help="PEM file of an Ed25519 private key: sign the head.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write. Default: print it.")] = None,
) -> None:
    """Say where the ledger stands, signed if there is a key: somebody else keeps it."""
    with Ledger.open(path, create=False) as ledger:
        if key is None:
            last = ledger.head()
            say(f"{last.seq}:{last.digest}")
            return
        signed = sign_head(ledger, _private_key(key))
    if out is None:
        typer.echo(json.dumps(signed.to_json(), indent=2, sort_keys=True))
    else:
        signed.save(out)
        say(f"Wrote {out}: give it to somebody who cannot write the ledger.")


def export(
    path: LedgerPath, out: Annotated[Path, typer.Argument(help="File of JSON lines to write.")]
) -> None:
    """Write all entries as lines of JSON, which can be checked without a database."""
    with Ledger.open(path, create=False) as ledger:
        written = write_lines(ledger, out)
    say(f"Wrote {written} entries to {out}. It is as private as the ledger.")


def restore(
    source: Annotated[Path, typer.Argument(help="An export of the ledger.")],
    path: Annotated[Path, typer.Argument(help="File of the ledger to write; it must not exist yet.")],
) -> None:
    """Make the ledger of an export again, entry by entry."""
    entries = read_lines(source).entries
    with Ledger.restore(path, entries) as ledger:
        say(
            f"Restored the ledger {ledger.identity} with {len(entries)} entries. What was spent after them "
            "is not in it: verify it with the latest signed head, and use no other copy."
        )


def import_spend(
    path: LedgerPath,
    dataset: Dataset,
    reason: Annotated[str, typer.Option("--reason", help="What it was, and who says so: stays on record.")],
    accountant: Annotated[
        tuple[str, str] | None, typer.Option("--from", help="`diffprivlib FILE.json`: its spent budget.")
    ] = None,
    source: Annotated[str | None, typer.Option("--source", help="The program, for example OpenDP.")] = None,
    epsilon: Annotated[float | None, typer.Option("--epsilon", "-e", help="What it spent.")] = None,
    delta: Annotated[float, typer.Option("--delta", "-d", help="What it spent.")] = 0.0,
    rho: Annotated[float | None, typer.Option("--rho", help="Its zCDP parameter, if it has one.")] = None,
    unit: UnitChoice = None,
    partition: Partition = None,
) -> None:
    """Record what was spent on the same people elsewhere. It counts, also beyond the cap."""
    if (accountant is None) == (epsilon is None):
        raise ConfigurationError("Expected either --from, or --epsilon with --delta.")
    if accountant is None:
        spend = Spend(epsilon=epsilon or 0.0, delta=delta, rho=rho)
    elif accountant[0] == "diffprivlib":
        spend = read_spent_budget(accountant[1])
    else:
        raise ConfigurationError("Expected --from diffprivlib FILE.json; give other sums with --epsilon.")
    named = source or (accountant[0] if accountant else "elsewhere")
    with Ledger.open(path, create=False) as ledger:
        account = chosen(ledger, dataset, unit, partition)
        ledger.record_elsewhere(account, spend, source=named, reason=reason)
        say(f"Recorded epsilon {spend.epsilon:.6g}, delta {spend.delta:.6g} of {named}.")
        for statement in ledger.statement(dataset):
            if statement.unit == account.unit and _beyond(statement.spent, statement.cap):
                say(f"{dataset} has spent more than a cap allows: no further run fits. See `ledger show`.")
                return


def _recomputed(path: Path) -> tuple[Verification, tuple[Entry, ...]]:
    """The chain of a ledger or of an export, and its entries if it is sound."""
    if path.is_file() and path.read_bytes()[:1] == b"{":
        exported = read_lines(path)
        return verify_lines(exported), exported.entries
    with Ledger.open(path, create=False) as ledger:
        found = ledger.verify()
        return found, ledger.entries() if found.ok else ()


def _with(found: Verification, seen: Head, trouble: str) -> Verification:
    return replace(found, ok=False, first_bad_seq=seen.seq, reason=trouble) if trouble else found


def _beyond(spent: Amount, cap: Cap | None) -> bool:
    limits = {} if cap is None else numbers(cap.units())
    return any((getattr(spent, name) or 0.0) > most for name, most in limits.items())


def _head(text: str) -> Head:
    seq, _, digest = text.partition(":")
    if not (seq.isdecimal() and digest):
        raise ConfigurationError(f"Expected --head as NUMBER:DIGEST, got {text!r}.")
    return Head(seq=int(seq), digest=digest)


def _signed(file: Path, key: Ed25519PublicKey) -> SignedHead:
    found = read_head(file)
    found.verify(key)
    return found


def _private_key(path: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = _loaded(path, lambda pem: load_pem_private_key(pem, password=None))
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(_OTHER_KEY.format(path))
    return key


def _public_key(path: Path) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = _loaded(path, load_pem_public_key)
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError(_OTHER_KEY.format(path))
    return key


def _loaded(path: Path, load: Callable[[bytes], object]) -> object:
    try:
        return load(path.read_bytes())
    except (OSError, ValueError, TypeError) as error:
        raise ConfigurationError(f"Expected {path} to be an unencrypted PEM file with a key.") from error
