"""The plain sentences on risk: no number in them may promise more than the claim that was recomputed.

Sentences of an unknown wording are told as attested.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from .verdict import Statement, attested, failed, recomputed

__all__ = ["check_sentences", "unit_in_words"]

Json: TypeAlias = "Mapping[str, Any]"

_NUMBER = r"([0-9][0-9,]*(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)"
_ALLOWED = 2e-3  # between two accountants
_ODDS = re.compile(
    "Somebody who holds it 1:1 that you are in the data can, by seeing the release, come to at most "
    rf"{_NUMBER}:1(?:, except in a failure of probability at most 1 in {_NUMBER})?\."
)
_GUESSES = re.compile(
    "Whoever has to guess whether you are in the data is right 50 times in 100 without the release, "
    rf"and with it at most {_NUMBER} times in 100\."
)
_FOUND = re.compile(
    rf"An attacker who wrongly accuses {_NUMBER} in 1,000 people outside the data recognises at most "
    rf"{_NUMBER} in 1,000 people inside it\."
)
_NO_LIMIT = "There is no useful limit on how sure somebody can become that you are in the data."


def check_sentences(certificate: Json) -> Iterator[Statement]:
    """Statements on the sentences of the predicate and on the unit of privacy in words."""
    claim, unknown, wrong = certificate["claim"], 0, 0
    for sentence in certificate["risk"]["sentences"]:
        verdict = _verdict(sentence, claim)
        unknown += verdict is None
        wrong += verdict is False
    total = len(certificate["risk"]["sentences"])
    if wrong:
        yield failed("risk: sentences", f"{wrong} of {total} sentences promise more than the claim")
    if total - unknown - wrong:
        yield recomputed("risk: sentences", f"{total - unknown - wrong} of {total} follow from the claim")
    if unknown:
        yield attested("risk: sentences", f"{unknown} of {total} are in words that are not checked")
    if certificate["risk"]["assessment"]:
        yield attested(
            "risk: assessment", "the signer's assessment of singling out, linkability and inference"
        )
    unit = claim["unit"]
    if unit["id_column"] is None and unit["contributions"] != 1:
        yield failed("claim: unit", "one row cannot have more than one row")
    elif unit["words"] != unit_in_words(unit):
        yield failed("claim: unit", "its words say something else than its fields")
    else:
        yield recomputed("claim: unit", f"protects against {unit['words']}; the words and the fields agree")


def unit_in_words(unit: Json) -> str:
    """The unit of privacy as ledgers and releases name it."""
    name, most = unit["id_column"], unit["contributions"]
    who = "one row" if name is None else f"all rows (at most {most}) of one {name}"
    return f"{'adding or removing' if unit['relation'] == 'add_remove' else 'replacing'} {who}"


def _verdict(sentence: str, claim: Json) -> bool | None:
    """Whether a sentence promises no more than the claim; None if its words are not known."""
    if sentence == _NO_LIMIT:
        return True
    for pattern, check in _CHECKS:
        match = pattern.fullmatch(sentence)
        if match:
            return check([None if text is None else _number(text) for text in match.groups()], claim)
    return None


def _odds(numbers: list[Any], claim: Json) -> bool:
    said, one_in = numbers
    if said <= 0 or math.log(said) < claim["epsilon"] / (1 + _ALLOWED):
        return False
    return bool(claim["delta"] == 0 if one_in is None else one_in * claim["delta"] <= 1 + 1e-9)


def _guesses(numbers: list[Any], claim: Json) -> bool:
    return bool(numbers[0] >= 50 * (1 + claim["advantage"] / (1 + _ALLOWED)))


def _found(numbers: list[Any], claim: Json) -> bool | None:
    accused, said = numbers
    rates = {point["false_positive_rate"]: point["true_positive_rate"] for point in claim["curve"]}
    rate = next((rates[rate] for rate in rates if math.isclose(rate, accused / 1000)), None)
    return None if rate is None else bool(said >= 1000 * rate / (1 + _ALLOWED))


def _number(text: str) -> float:
    return float(text.replace(",", ""))


_CHECKS: tuple[tuple[re.Pattern[str], Callable[[list[Any], Json], bool | None]], ...] = (
    (_ODDS, _odds),
    (_GUESSES, _guesses),
    (_FOUND, _found),
)
