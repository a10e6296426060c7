"""Truths about linear CKA: known values, invariances, and the definition by whole Gram matrices."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from saebench.matching.cka import cka_without_each, linear_cka

X = np.random.RandomState(1).randn(200, 5)


def by_definition(x, y):
    """Biased and debiased CKA from whole matrices, as the papers write them."""
    n = len(x)
    k, l = x @ x.T, y @ y.T  # noqa: E741
    centring = np.eye(n) - 1 / n

    def biased(a, b):
        return np.trace(a @ centring @ b @ centring)

    def unbiased(a, b):
        a, b = a - np.diag(np.diag(a)), b - np.diag(np.diag(b))
        one = np.ones(n)
        pairs = (one @ a @ one) * (one @ b @ one) / ((n - 1) * (n - 2))
        return (np.trace(a @ b) + pairs - 2 / (n - 2) * one @ a @ b @ one) / (n * (n - 3))

    return [form(k, l) / np.sqrt(form(k, k) * form(l, l)) for form in (biased, unbiased)]


def test_known_values():
    rotation = np.linalg.qr(np.random.RandomState(2).randn(5, 5))[0]
    same = linear_cka(X, 2 * X @ rotation + 1)
    assert same.biased == pytest.approx(1, abs=1e-12)
    assert same.debiased == pytest.approx(1, abs=1e-12)
    assert linear_cka(X, X @ np.diag([1, 2, 3, 4, 5])).biased == pytest.approx(0.79218502, abs=1e-8)


def test_both_forms_equal_their_definitions():
    y = np.tanh(X @ np.random.RandomState(3).randn(5, 9)) + 3
    made = linear_cka(X, y)
    assert [made.biased, made.debiased] == pytest.approx(by_definition(X, y), rel=1e-9)


def test_leaving_a_group_out_equals_the_value_of_the_other_tokens():
    random = np.random.RandomState(4)
    y = X[:, :3] + random.randn(200, 3)
    groups = random.randint(0, 7, 200)
    _, without = cka_without_each(X, y, groups)
    for group, one in enumerate(without):
        kept = groups != group
        assert [one.biased, one.debiased] == pytest.approx(by_definition(X[kept], y[kept]), rel=1e-9)


def test_sparse_and_dense_codes_give_the_same_numbers():
    random = np.random.RandomState(5)
    codes = random.rand(300, 400) * (random.rand(300, 400) < 0.02)
    other = codes[:, random.permutation(400)] * 3
    other[:, :200] = 0
    groups = np.arange(300) % 5
    dense, dense_without = cka_without_each(codes, other, groups)
    thin, thin_without = cka_without_each(sparse.csr_array(codes), sparse.csr_array(other), groups)
    for one, two in zip([dense, *dense_without], [thin, *thin_without], strict=True):
        assert [one.biased, one.debiased] == pytest.approx([two.biased, two.debiased], rel=1e-9)


def test_wide_noise_looks_alike_to_the_biased_form_alone():
    random = np.random.RandomState(6)
    values = [linear_cka(random.randn(60, 900), random.randn(60, 900)) for _ in range(8)]
    assert min(one.biased for one in values) > 0.9
    assert abs(np.mean([one.debiased for one in values])) < 0.03


def test_a_side_that_does_not_vary_has_no_value():
    made = linear_cka(X, np.full((200, 3), 0.1))
    assert made.biased is None
    assert made.debiased is None
    assert linear_cka(sparse.csr_array(np.eye(200, 50)), sparse.csr_array((200, 50))).biased is None


def test_tokens_must_be_the_same():
    with pytest.raises(ValueError, match="same tokens"):
        linear_cka(X, X[:100])
