"""Per-item scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saebench.errors import ResultsError
from saebench.results.items import ItemTable, from_parquet, to_parquet

NAMES = st.text("abcdef", min_size=1, max_size=3)


@st.composite
def item_tables(draw):
    size = draw(st.integers(0, 5))
    texts = st.lists(st.text(max_size=5), min_size=size, max_size=size).map(tuple)
    values = st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=size, max_size=size)
    columns = {name: np.array(draw(values)) for name in draw(st.lists(NAMES, unique=True, max_size=3))}
    return ItemTable(draw(texts), draw(texts), columns, draw(st.one_of(st.just(()), texts)))


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(NAMES, item_tables(), max_size=3))
def test_tables_come_back_equal_whatever_they_hold(tables):
    data = to_parquet(tables)
    back = from_parquet(data)
    assert set(back) == set(tables)
    for name, table in tables.items():
        held = back[name]
        assert (held.items, held.clusters, held.partners) == (table.items, table.clusters, table.partners)
        assert set(back[name].columns) == set(table.columns)
        for column, values in table.columns.items():
            np.testing.assert_array_equal(back[name].columns[column], values)
    assert to_parquet(dict(reversed(tables.items()))) == data


def test_a_value_column_cannot_be_called_like_a_label():
    with pytest.raises(ValueError, match="cluster"):
        to_parquet({"t": ItemTable(("a",), ("a",), {"cluster": np.zeros(1)})})


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1 nonsense PAR1"])
def test_other_bytes_are_refused(data):
    with pytest.raises(ResultsError, match="per-item scores"):
        from_parquet(data, "x.items.parquet")


def test_another_parquet_file_is_refused(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    with pytest.raises(ResultsError, match="per-item scores"):
        from_parquet((tmp_path / "a.parquet").read_bytes())
