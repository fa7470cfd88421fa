"""The front door of all sweeps: one call, a mode that says what the looking costs."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any, cast

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.tuning.methods import Methods
from dpsynth.tuning.result import MODES, Frontier, Mode

__all__ = ["EPSILONS", "frontier"]

EPSILONS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

_HOMES: dict[tuple[Mode, bool], tuple[str, str]] = {
    ("analytic", True): ("dpsynth.tuning.analytic", "analytic"),
    ("proxy", True): ("dpsynth.tuning.proxy", "proxy"),
    ("bootstrap", True): ("dpsynth.tuning.bootstrap", "bootstrap"),
    ("nested", True): ("dpsynth.tuning.nested", "nested"),
    ("trajectory", True): ("dpsynth.tuning.trajectory", "trajectory"),
    ("select", True): ("dpsynth.tuning.selected", "selected"),
    ("confidential", True): ("dpsynth.tuning.confidential", "accounted"),
    ("confidential", False): ("dpsynth.tuning.confidential", "unaccounted"),
}


def frontier(
    data: Any = None,
    *,
    schema: Any = None,
    mode: Mode,
    methods: Methods | None = None,
    epsilons: Sequence[float] | None = None,
    accounted: bool = True,
    **options: Any,
) -> Frontier:
    """How utility grows with epsilon, and what it cost to look.

    ============  =======================================================  ===========================
    mode          what is read                                             what it costs
    ============  =======================================================  ===========================
    analytic      nothing                                                  nothing
    proxy         rows that are public, simulated or released before       nothing
    bootstrap     a model that was paid for                                nothing more
    nested        the private table, once                                  its largest epsilon, once
    trajectory    the private table, one training                          that of the one run
    select        the private table                                        private selection
    confidential  the private table, each run                              all runs together; or, with
                                                                           `accounted=False`, barred
                                                                           from release
    ============  =======================================================  ===========================

    Args:
        data: Nothing for `analytic`; free rows for `proxy`; a `FittedModel` for `bootstrap`; else the private
            table, a path or a frame.
        schema: A `Schema` or the path of its JSON document; not for `bootstrap`, whose model has one.
        mode: See above.
        methods: Names with commas, names and configured generators, or those by a label.
        epsilons: Where; None takes `EPSILONS`.
        accounted: For `confidential` only.
        options: Those of the mode; see `dpsynth.tuning`.

    Raises:
        ConfigurationError: The mode lacks an argument or has none of that name, or is not installed.

    Privacy: that of the mode, written on the result as `cost` and `disclosure`.
    """
    _validate.one_of("mode", mode, MODES)
    if not accounted and mode != "confidential":
        raise ConfigurationError(f"The mode {mode!r} accounts for what it costs; leave `accounted` out.")
    function = _function(mode, accounted=accounted)
    signature = inspect.signature(function)
    if epsilons is None and "epsilons" in signature.parameters:
        epsilons = EPSILONS
    named = {"methods": methods, "epsilons": epsilons}
    places, known = _places(mode, data, schema, accounted=accounted)
    given = {**known, **{name: value for name, value in named.items() if value is not None}, **options}
    try:
        signature.bind(*places, **given)
    except TypeError as error:
        raise ConfigurationError(f"The mode {mode!r}: {error}.") from error
    return function(*places, **given)


def _places(mode: Mode, data: Any, schema: Any, *, accounted: bool) -> tuple[list[Any], dict[str, Any]]:
    """What a mode reads, by position, and the schema by its name; each only where the mode takes it."""
    if mode == "analytic" and data is not None:
        raise ConfigurationError("The mode 'analytic' opens no data: leave the data out.")
    if mode != "analytic" and data is None:
        raise ConfigurationError(f"The mode {mode!r} needs data.")
    if mode == "bootstrap":
        if schema is not None:
            raise ConfigurationError(
                "The mode 'bootstrap' takes the schema of its model: leave `schema` out."
            )
        return [data], {}
    if schema is None:
        raise ConfigurationError(f"The mode {mode!r} needs a schema.")
    known = {"schema": _schema(schema)}
    if mode == "analytic":
        return [], known
    return [_rows(data) if mode == "proxy" or not accounted else data], known


def _schema(schema: Any) -> Any:
    from dpsynth.schema.schema import Schema

    return schema if isinstance(schema, Schema) else Schema.load(schema)


def _rows(data: Any) -> Any:
    """Rows that may be read, as a frame; a synthetic table as it is, for it has a guarantee."""
    import pandas as pd

    from dpsynth.generators.table import SyntheticTable
    from dpsynth.session.reading import read_raw

    return data if isinstance(data, (pd.DataFrame, SyntheticTable)) else pd.DataFrame(read_raw(data))


def _function(mode: Mode, *, accounted: bool) -> Callable[..., Frontier]:
    module, name = _HOMES[mode, accounted]
    try:
        found = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise ConfigurationError(f"The mode {mode!r} is not part of this version of dpsynth.") from error
    return cast("Callable[..., Frontier]", found)
