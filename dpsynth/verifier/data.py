"""Whether the rows of `data.csv` are what `schema.json` allows. No value is ever quoted."""

from __future__ import annotations

import csv
import gc
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, BinaryIO, TypeAlias

from .row_rules import Breaks, Check, checks_of
from .sentences import unit_in_words
from .table import Column, TableError, columns_of
from .values import OUTSIDE
from .verdict import Statement, attested, failed, recomputed

__all__ = ["check_data", "check_schema"]

Json: TypeAlias = "Mapping[str, Any]"

_LONGEST_FIELD = 2**20
_NAMED = 20
_BLOCK = 2_000  # rows judged at once: few enough to stay in the cache of a processor
_MOST_TEXTS = 10**6  # of a column, remembered


def check_schema(certificate: Json, data: bytes, document: Json) -> Iterator[Statement]:
    """Statements on `schema.json`: that it is the one of the certificate, its unit and its columns.

    Args:
        certificate: The predicate, of the right form.
        data: The bytes of the file.
        document: The same, read.
    """
    if certificate["public_inputs"]["schema"] != hashlib.sha256(data).hexdigest():
        yield failed("schema", "schema.json is another schema than the certificate names")
        return
    try:
        columns = columns_of(document)
        checks_of(document, columns)
        unit = _unit(document)
    except TableError as error:
        yield failed("schema", str(error))
        return
    if unit != certificate["claim"]["unit"]["words"]:
        yield failed("schema", "schema.json has another unit of privacy than the claim")
    elif [column.name for column in columns if column.written] != certificate["sample"]["columns"]:
        yield failed("schema", "the columns of schema.json are not those of the sample")
    elif "assumed" in _origins(document).values():
        yield failed("schema", "a column was filled in by looking at the data, which bars certification")
    elif not _inputs_agree(certificate["public_inputs"], document):
        yield failed("schema", "its origins, constraints or rules are not those that the certificate lists")
    else:
        yield recomputed("schema", "is the one that the certificate names, with its unit and its columns")


def check_data(certificate: Json, document: Json, file: BinaryIO) -> Iterator[Statement]:
    """Statements on the rows of a CSV file.

    Args:
        certificate: The predicate, of the right form.
        document: The schema.
        file: The file, open for reading; its digest was checked.
    """
    try:
        columns = columns_of(document)
        checks = checks_of(document, columns)
        lines = io.TextIOWrapper(file, encoding="utf-8", newline="")
        try:
            found = _read(lines, [column for column in columns if column.written], checks)
        finally:
            lines.detach()  # whoever opened the file closes it
    except TableError as error:
        yield failed("data: rows", str(error))
        return
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        yield failed("data: rows", f"data.csv cannot be read ({type(error).__name__})")
        return
    rows, broken, undecided = found
    if rows != certificate["sample"]["rows"]:
        yield failed("data: rows", "data.csv has not the number of rows that the certificate states")
    else:
        yield recomputed("data: rows", f"data.csv has the {rows} rows that the certificate states")
    for problem in broken[:_NAMED]:
        yield failed("data: schema", problem)
    if not broken:
        yield recomputed("data: schema", "every value of data.csv is one that schema.json allows")
    if undecided:
        yield attested("data: rules", f"not decided by this program: {', '.join(undecided[:_NAMED])}")


def _read(file: Any, columns: Sequence[Column], checks: Sequence[Check]) -> tuple[int, list[str], list[str]]:
    """The number of rows, what is wrong, and what could not be decided."""
    csv.field_size_limit(_LONGEST_FIELD)
    lines = csv.reader(file, strict=True)
    names = [column.name for column in columns]
    if next(lines, None) != names:
        return sum(1 for _ in lines), ["the columns of data.csv are not those of the schema"], []
    decided = [(name, breaks) for name, breaks in checks if breaks is not None]
    broken: dict[str, None] = {}  # in the order in which they are found
    seen: list[set[str]] = [set() for _ in columns]
    rows = 0
    with _without_collector():
        while block := list(islice(lines, _BLOCK)):
            rows += len(block)
            whole = [line for line in block if len(line) == len(names)]
            if len(whole) < len(block):
                broken["a row has another number of fields than the header"] = None
            broken |= dict.fromkeys(_values(columns, whole, seen))
            if decided:
                broken |= dict.fromkeys(_rows(columns, whole, decided))
    return rows, list(broken), [name for name, breaks in checks if breaks is None]


@contextmanager
def _without_collector() -> Iterator[None]:
    """Spare the search for cycles: rows have none, and there are millions of them."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _values(columns: Sequence[Column], lines: Sequence[Sequence[str]], seen: list[set[str]]) -> Iterator[str]:
    """What is wrong with single values. Each text of a column is judged once: most tables repeat them."""
    for column, texts, known in zip(columns, zip(*lines, strict=True), seen, strict=False):
        fresh = set(texts) - known
        if len(known) < _MOST_TEXTS:
            known.update(fresh)
        for value in map(column.read, fresh):
            if value is OUTSIDE:
                yield f"column {column.name!r} holds a value outside its domain"
            elif value is None and column.required:
                yield f"column {column.name!r} lacks a value although one is required"


def _rows(
    columns: Sequence[Column], lines: Sequence[Sequence[str]], decided: Sequence[tuple[str, Breaks]]
) -> Iterator[str]:
    """What is wrong with rows all of whose values are in their domains."""
    for line in lines:
        row = {column.name: column.read(text) for column, text in zip(columns, line, strict=True)}
        if OUTSIDE not in row.values():
            yield from (f"a row breaks the {name}" for name, breaks in decided if breaks(row))


def _unit(document: Json) -> str:
    given = document.get("dpsynth", {}).get("unit", {})
    fields = {"relation": "add_remove", "idColumn": None, "contributions": 1}
    if not isinstance(given, dict) or not given.keys() <= fields.keys():
        raise TableError("The unit of privacy of the schema cannot be read.")
    unit = fields | given
    return unit_in_words(
        {"relation": unit["relation"], "id_column": unit["idColumn"], "contributions": unit["contributions"]}
    )


def _origins(document: Json) -> dict[str, str]:
    return {field["name"]: field.get("dpsynth", {}).get("origin", "declared") for field in document["fields"]}


def _inputs_agree(stated: Json, document: Json) -> bool:
    """Whether the certificate tells of every column that was bought, and counts what people declared."""
    origins, own = _origins(document), document.get("dpsynth", {})
    listed = {column["column"]: column["origin"] for column in stated["origins"]}
    told = all(origins.get(name) == origin for name, origin in listed.items())
    bought = all(name in listed for name, origin in origins.items() if origin == "dp")
    counted = all(stated[kind] == len(own.get(kind, [])) for kind in ("constraints", "rules"))
    return told and bought and counted
