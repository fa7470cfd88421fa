"""`python -m verifier DIR`: check a certified release on the command line, without dpsynth."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .check import verify

__all__ = ["main"]

_ABOUT = "Check a certified release of synthetic data: signatures, files, privacy claims, rows and ledger."
_AFTER = "Exit status: 0 verified, 1 something failed, 2 wrong usage. Needs Python 3.11 and `cryptography`."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="verifier", description=_ABOUT, epilog=_AFTER)
    parser.add_argument("folder", help="the release: a folder with certificate.dsse.json")
    parser.add_argument(
        "--trust",
        action="append",
        default=[],
        metavar="KEY.pub",
        help="public key of a signer; may be repeated",
    )
    parser.add_argument("--any-key", action="store_true", help="go on although no trusted key is given")
    parser.add_argument("--policy", metavar="FILE", help="what you demand, as JSON")
    parser.add_argument("--ledger", metavar="FILE", help="the ledger of the run, or its export in lines")
    parser.add_argument("--json", action="store_true", help="write the findings as JSON")
    given = parser.parse_args(arguments)
    found = verify(
        given.folder, trust=given.trust, any_key=given.any_key, policy=given.policy, ledger=given.ledger
    )
    text = found.dumps() if given.json else found.to_text()
    # A terminal that cannot show a character must not keep anybody from the verdict.
    sys.stdout.buffer.write((text + "\n").encode(sys.stdout.encoding or "ascii", "backslashreplace"))
    return 0 if found.ok else 1


if __name__ == "__main__":
    sys.exit(main())
