"""What the code book of the NIST excerpts says about age, work and housing, as rules about values.

"N/A (age less than 15 years)" is missing for them and for nobody else. None of this was read from rows.
"""

from __future__ import annotations

from dpsynth import Implication, InequalityChain, NullTogether

__all__ = ["NIST_RULES"]


def _asked_from(age: int, column: str) -> tuple[Implication, Implication]:
    return (
        Implication(when=f"AGEP < {age}", then=f"missing({column})"),
        Implication(when=f"AGEP >= {age}", then=f"not missing({column})"),
    )


NIST_RULES = (
    *_asked_from(15, "MSP"),
    *_asked_from(15, "PINCP"),
    NullTogether(columns=("PINCP", "PINCP_DECILE")),
    *_asked_from(3, "EDU"),
    *_asked_from(5, "DREM"),
    *_asked_from(5, "DPHY"),
    Implication(when="AGEP < 16", then="missing(DVET)"),
    Implication(when="AGEP < 16", then="missing(INDP)"),
    NullTogether(columns=("INDP", "INDP_CAT")),
    Implication(when="HOUSING_TYPE == 1", then="OWN_RENT != 0 and WGTP > 0"),
    Implication(when="HOUSING_TYPE != 1", then="OWN_RENT == 0 and WGTP == 0"),
    Implication(when="HOUSING_TYPE != 1", then="missing(NOC) and missing(NPF)"),
    # A family counts its householder and their children.
    InequalityChain(columns=("NOC", "NPF"), strict=True, repair="redraw"),
)
"""Rules for a table with the columns of the excerpts."""
