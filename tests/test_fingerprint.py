"""Content hashes: equal for equal content, different for anything else."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saebench.fingerprint import array_digest, canonical_json, digest, file_digest

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


@given(st.dictionaries(st.text(), VALUES))
def test_the_order_of_keys_does_not_matter(value):
    assert canonical_json(value) == canonical_json(dict(reversed(value.items())))


def test_a_known_digest():
    assert canonical_json({"b": [1, None], "a": "é"}) == '{"a":"é","b":[1,null]}'
    assert digest({"b": [1, None], "a": "é"}) == hashlib.sha256('{"a":"é","b":[1,null]}'.encode()).hexdigest()[:32]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_cannot_say_is_refused(value):
    with pytest.raises(ValueError, match="JSON"):
        canonical_json([value])


def test_arrays_are_told_apart_by_name_dtype_shape_and_bytes():
    ones = np.ones((2, 3), dtype=np.float32)
    others = [
        {"a": ones},
        {"b": ones},
        {"a": ones.reshape(3, 2)},
        {"a": ones.view(np.int32)},
        {"a": ones.astype(np.float64)},
        {"a": ones + 1},
        {"a": ones, "b": ones},
    ]
    assert len({array_digest(arrays) for arrays in others}) == len(others)
    assert array_digest({"a": ones[::-1], "b": ones}) == array_digest({"b": ones.copy(), "a": ones})


def test_layout_in_memory_does_not_matter():
    value = np.arange(6.0).reshape(2, 3)
    assert array_digest({"a": np.asfortranarray(value)}) == array_digest({"a": value})


def test_a_file_has_the_sha256_of_its_bytes(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert file_digest(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
