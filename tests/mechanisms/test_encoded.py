from __future__ import annotations

import copy
import pickle  # noqa: TID251 - to show that it is refused
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import DataError, RawAccessError
from dpsynth.mechanisms import encoded
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.schema.layout import Domain


@given(st.integers(0, 60), st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_marginals_count_every_cell_in_c_order(rows: int, sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    domain = Domain(columns=tuple("abcd"[: len(sizes)]), sizes=tuple(sizes))
    codes = {name: rng.integers(0, size, rows) for name, size in zip(domain.columns, sizes, strict=True)}
    table = EncodedTable(domain, codes, rows=rows)
    names = tuple(str(name) for name in rng.permutation(domain.columns)[: rng.integers(1, len(sizes) + 1)])
    expected = np.zeros(domain.shape(names), dtype=np.int64)
    for row in range(rows):
        expected[tuple(codes[name][row] for name in names)] += 1
    counts = table.marginal_counts(names)
    assert counts.dtype == np.int64
    np.testing.assert_array_equal(counts, expected.ravel())
    assert table.marginal_counts(names) is counts  # remembered
    with pytest.raises(ValueError, match="read-only"):
        counts[0] = 5


@pytest.mark.parametrize(
    ("size", "dtype"), [(256, np.uint8), (257, np.uint16), (65_537, np.uint32), (1, np.uint8)]
)
def test_codes_are_packed_and_read_only(size: int, dtype: type) -> None:
    given_codes = np.array([0, size - 1], dtype=np.int32)
    table = EncodedTable(Domain(columns=("x",), sizes=(size,)), {"x": given_codes}, rows=2)
    assert table.codes("x").dtype == dtype
    assert table.codes("x").tolist() == [0, size - 1]
    with pytest.raises(ValueError, match="read-only"):
        table.codes("x")[0] = 0
    given_codes[0] = 1 % size
    assert table.codes("x")[0] == 0


def test_a_table_without_rows_counts_zeros(domain: Domain) -> None:
    table = EncodedTable(domain, {name: np.array([], dtype=np.int32) for name in domain.columns}, rows=0)
    np.testing.assert_array_equal(table.marginal_counts(("b", "c")), np.zeros(12))
    assert table.private_rows == 0


PLAIN = [(("a", None),), (("b", None),), (("c", None), ("a", None)), ()]


def test_what_was_counted_is_not_counted_again(table: EncodedTable, monkeypatch) -> None:
    first = table.counts_of(PLAIN)
    monkeypatch.setattr(encoded, "plan_passes", lambda marginals, *_: ([], [] if not marginals else 1 / 0))
    again = table.counts_of([*reversed(PLAIN), PLAIN[0]])
    assert all(one is other for one, other in zip([*reversed(first), first[0]], again, strict=True))


def test_a_batch_larger_than_the_cache_is_answered(domain: Domain, codes: dict, monkeypatch) -> None:
    roomy = EncodedTable(domain, codes, rows=200)
    monkeypatch.setattr(encoded, "_COUNT_BYTES", 8 * 3)
    monkeypatch.setattr(encoded, "_CODE_BYTES", 1)
    tight = EncodedTable(domain, codes, rows=200)
    for _ in range(2):
        for one, other in zip(tight.counts_of(PLAIN), roomy.counts_of(PLAIN), strict=True):
            np.testing.assert_array_equal(one, other)


def test_merged_columns_are_merged_before_they_are_counted(table: EncodedTable, codes: dict) -> None:
    coarse = (1, 0, 1, 0)
    merged, alone, crossed = table.counts_of(
        [(("b", None), ("c", coarse)), (("c", coarse),), (("c", coarse), ("a", None), ("b", (0, 1, 1)))]
    )
    buckets = np.array(coarse)[codes["c"]]
    np.testing.assert_array_equal(merged, np.bincount(codes["b"] * 2 + buckets, minlength=6))
    np.testing.assert_array_equal(alone, np.bincount(buckets, minlength=2))
    cells = (buckets * 2 + codes["a"]) * 2 + (codes["b"] > 0)
    np.testing.assert_array_equal(crossed, np.bincount(cells, minlength=8))


def test_threads_share_one_table(table: EncodedTable) -> None:
    marginals = [(("a", None), ("b", (0, 0, 1))), (("c", None), ("b", None)), (("c", (0, 1, 1, 1)),)]
    expected = [counts.tolist() for counts in table.counts_of(marginals)]
    with ThreadPoolExecutor(4) as threads:
        for answers in threads.map(lambda i: table.counts_of(marginals[i % 3 :]), range(40)):
            assert [counts.tolist() for counts in answers] == expected[3 - len(answers) :]


def test_codes_must_fit_the_domain(domain: Domain, codes: dict[str, np.ndarray]) -> None:
    with pytest.raises(DataError, match="exactly the columns"):
        EncodedTable(domain, {"a": codes["a"]}, rows=200)
    for broken in (codes["b"] + 1, codes["b"] - 1, codes["b"][:-1], codes["b"].reshape(2, 100)):
        with pytest.raises(DataError, match="'b'") as caught:
            EncodedTable(domain, codes | {"b": broken}, rows=200)
        assert "200" not in str(caught.value)
    with pytest.raises(DataError, match="2\\^32"):
        EncodedTable(domain, codes, rows=2**32)


@pytest.mark.parametrize(
    "ask",
    [
        len,
        iter,
        list,
        np.asarray,
        copy.copy,
        copy.deepcopy,
        pickle.dumps,
        lambda table: table[0],
        lambda table: 1 in table,
        lambda table: np.array(table, dtype=float),
    ],
)
def test_a_table_refuses_to_be_read(table: EncodedTable, ask) -> None:
    with pytest.raises(RawAccessError, match="Session"):
        ask(table)


def test_nothing_but_the_domain_shows(table: EncodedTable) -> None:
    for text in (repr(table), str(table), f"{table}"):
        assert text == f"EncodedTable({table.domain!r}, rows private)"
        assert "200" not in text
    assert not hasattr(table, "__dict__")
