from __future__ import annotations

import pytest

from dpsynth.errors import SchemaError
from dpsynth.schema.layout import Domain


def test_sizes_by_name_in_the_order_asked() -> None:
    domain = Domain(columns=("a", "b", "c"), sizes=(2, 3, 5))
    assert domain.size_of("b") == 3
    assert domain.shape(("c", "a")) == (5, 2)
    assert domain.cells(("c", "a")) == 10
    assert domain.cells(()) == 1


def test_cells_do_not_overflow() -> None:
    names = tuple(f"c{k}" for k in range(5))
    assert Domain(columns=names, sizes=(65_535,) * 5).cells(names) == 65_535**5


@pytest.mark.parametrize(
    ("columns", "sizes"), [(("a",), (1, 2)), (("a", "a"), (1, 1)), (("a",), (0,)), (("a", "b"), (1, -1))]
)
def test_impossible_domains_are_refused(columns: tuple[str, ...], sizes: tuple[int, ...]) -> None:
    with pytest.raises(SchemaError):
        Domain(columns=columns, sizes=sizes)


def test_an_unknown_column_is_named() -> None:
    with pytest.raises(SchemaError, match="'z'"):
        Domain(columns=("a",), sizes=(1,)).size_of("z")
