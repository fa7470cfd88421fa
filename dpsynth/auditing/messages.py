"""What errors say: provoked on made-up tables with other values, they have to be equal to a letter."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from dpsynth.auditing.exact_answers import ask
from dpsynth.auditing.made_up import SENTINEL, Neighbours
from dpsynth.auditing.movements import Verdicts
from dpsynth.auditing.recording import told
from dpsynth.mechanisms import GaussianMechanism, Total
from dpsynth.session import PrivateTable
from dpsynth.testing.insecure import WordArray

__all__ = ["provoked"]

_TWIN = "quagga-1883"


class _Breaking:
    """A source that ends a draw in the middle, with words that could quote a row."""

    def __init__(self, value: str) -> None:
        self._value = value

    def words(self, count: int) -> WordArray:  # noqa: ARG002 - the protocol
        """Never."""
        raise RuntimeError(self._value)


def provoked(ground: Neighbours) -> Verdicts:
    """Whether a private table tells a value, or its size, when it is asked or when something fails."""
    for what, act in _ACTS.items():
        said = [_said(lambda act=act, value=value: act(ground, value)) for value in (SENTINEL, _TWIN)]  # type: ignore[misc]
        if said[0] != said[1] or any(
            value in words for value, words in zip((SENTINEL, _TWIN), said, strict=True)
        ):
            yield "messages", f"What is said when {what} depends on the rows."


def _said(act: Callable[[], object]) -> str:
    spoken: list[str] = []
    with told(spoken):
        try:
            spoken.append(str(act()))
        except Exception as error:  # noqa: BLE001 - whatever is said is looked at
            spoken.append(f"{type(error).__name__}: {error}")
            cause: BaseException | None = None if error.__suppress_context__ else error.__context__
            spoken.append(str(error.__cause__ or cause or ""))
    return "\n".join(spoken)


def _odd(ground: Neighbours, value: str) -> pd.DataFrame:
    """Two values differ in one cell, and the tables in their numbers of rows."""
    rows = ground.tables["base"].copy()
    rows.loc[rows.index[-1], ["colour", "age", "height", "joined"]] = value
    return rows if value == SENTINEL else rows.iloc[1:]


def _loading(ground: Neighbours, value: str) -> object:
    return PrivateTable.load(_odd(ground, value), ground.schema)


def _unreadable(ground: Neighbours, value: str) -> object:
    return PrivateTable.load(_odd(ground, value).assign(age=value), ground.schema)


def _length(ground: Neighbours, value: str) -> object:
    return len(PrivateTable.load(_odd(ground, value), ground.schema))


def _failing(ground: Neighbours, value: str) -> object:
    total = GaussianMechanism(queries=(Total(),), mus=(0.1,))
    return ask([total], ground.schema, _odd(ground, value), lambda _: _Breaking(value))


_ACTS: dict[str, Callable[[Neighbours, str], object]] = {
    "a table is loaded": _loading,
    "nothing in a column can be read": _unreadable,
    "a table is asked for its length": _length,
    "a mechanism fails": _failing,
}
