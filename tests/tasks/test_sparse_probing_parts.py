"""The parts of `sparse_probing@1` against scikit-learn and against published values of sae-probes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from saebench.data.splits import Split
from saebench.dictionaries.codes import DenseCodes, SparseCodes, compact
from saebench.errors import SubjectFailed
from saebench.tasks.sparse_probing import probes
from saebench.tasks.sparse_probing.compat import encoded_labels, imbalance_sizes, standard_question
from saebench.tasks.sparse_probing.features import best_latents, class_gaps, principal, standardised, values_of
from saebench.tasks.sparse_probing.probes import COMPONENTS, LOGISTIC, NEIGHBOURS, Asked, latent_probes, log2_grid
from saebench.tasks.sparse_probing.regimes import flipped, levels_of
from saebench.tasks.sparse_probing.ridge import STRENGTHS, predict, ridge_path
from saebench.tasks.sparse_probing.validation import auc, folds

LABELS = json.loads(Path(__file__).with_name("sparse_probing_labels.json").read_text())


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    y = draw.permutation(np.arange(160) % 2)
    x = draw.normal(size=(160, 12)) * draw.uniform(0.1, 30, size=12) + 5 + y[:, None] * draw.normal(size=12)
    return x, y


def balanced(n: int) -> np.ndarray:
    return np.random.default_rng(n).permutation(np.arange(n) % 2)


def test_ridge_is_the_optimum_of_scikit_learns_objective(data):
    x, y = data
    x = (x - x.mean(0)) / x.std(0)
    for strength, weights in zip(STRENGTHS, ridge_path(x, y.astype(float)), strict=True):
        theirs = LogisticRegression(C=strength, solver="newton-cholesky", tol=1e-10, max_iter=1000).fit(x, y)
        assert weights[:-1] == pytest.approx(theirs.coef_[0], abs=1e-5, rel=1e-5), strength
        assert weights[-1] == pytest.approx(theirs.intercept_[0], abs=1e-5, rel=1e-5)


def test_ridge_converges_on_separable_classes():
    y = np.arange(40) % 2
    x = np.column_stack([10.0 * y - 5, np.random.default_rng(0).normal(size=40)])
    for weights in ridge_path(x, y.astype(float)):
        assert np.isfinite(weights).all()
        assert auc(predict(x, weights), y) == 1.0


def test_auc_counts_ties_half():
    draw = np.random.default_rng(0)
    scores, y = draw.integers(0, 5, 60).astype(float), draw.integers(0, 2, 60)
    assert auc(scores, y) == pytest.approx(roc_auc_score(y, scores), abs=1e-12)
    assert auc(np.zeros(60), y) == 0.5


def test_the_validation_rule_is_the_published_one():
    pairs = folds(np.arange(12) % 2, 42)
    assert len(pairs) == 36
    assert all(len(held) == 2 and len(fitted) == 10 for fitted, held in pairs)
    for n in (13, 127):
        assert len(folds(balanced(n), 42)) == 6
    for n, held in ((128, 25), (500, 100), (1024, 100)):
        ((fitted, last),) = folds(balanced(n), 42)
        assert last.tolist() == list(range(n - held, n))
        assert len(fitted) == n - held
    assert folds(np.array([0, 1, 1]), 42) == []


def test_validation_never_lacks_a_class():
    y = np.array([1] * 10 + [0] * 190)
    parts = folds(y, 0)
    assert len(parts) == 6
    assert all(set(y[held]) == set(y[fitted]) == {0, 1} for fitted, held in parts)
    assert len(folds(np.array([1, 1] + [0] * 60), 0)) == 2
    assert folds(np.array([1] + [0] * 60), 0) == []


@pytest.mark.parametrize(
    ("most", "grid"),
    [(100, [1, 2, 4, 7, 12, 21, 35, 59, 99]), (10, [1, 2, 3, 4, 5, 7, 9]), (2, [1, 2])],
)
def test_the_grid_of_components_and_neighbours_is_the_published_one(most, grid):
    assert log2_grid(most) == grid


def test_flipped_labels_are_the_published_ones():
    assert flipped(np.array([0, 1] * 10), 0.25, 42).tolist() == [int(c) for c in "10010101110101000001"]


def test_the_split_of_sae_probes_is_the_published_one():
    y = np.unpackbits(np.frombuffer(bytes.fromhex(LABELS["5_hist_fig_ismale"]), dtype=np.uint8)).astype(np.int64)
    asked = standard_question(y, 0)
    assert (len(asked.train), len(asked.test)) == (1024, 3975)
    assert asked.train[:6].tolist() == [3182, 3527, 925, 2841, 4416, 3890]
    assert asked.test[:6].tolist() == [584, 299, 329, 1797, 12, 19]
    assert (asked.y_train.sum(), asked.y_test.sum()) == (512, 1988)
    assert imbalance_sizes(y) == (1024, 1606)
    assert imbalance_sizes(np.arange(3120) % 2) == (1024, 617)


def test_labels_are_ordered_by_value_when_they_are_numbers():
    assert encoded_labels(["10", "9", "10"]).tolist() == [1, 0, 1]
    assert encoded_labels(["no", "yes", "No"]).tolist() == [1, 2, 0]


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_latents_are_ranked_by_the_gap_in_units_of_their_size(form):
    y = np.array([1, 1, 0, 0])
    # Means differ by 1, 10 and 0; sizes where not zero are 1, 100 and 5.
    values = form(np.array([[1.0, 110.0, 5.0], [1.0, 90.0, 0.0], [0.0, 90.0, 5.0], [0.0, 90.0, 0.0]]))
    assert class_gaps(values, y) == pytest.approx([1.0, 10 / 95, 0.0], rel=1e-5)
    assert best_latents(values, y, 2).tolist() == [0, 1]


def test_sparse_and_dense_codes_give_the_same_values():
    draw = torch.Generator().manual_seed(0)
    dense = torch.randn(30, 50, generator=draw).relu() * (torch.rand(30, 50, generator=draw) < 0.1)
    codes = compact(dense)
    assert isinstance(codes, SparseCodes)
    assert np.array_equal(values_of(codes).toarray(), values_of(DenseCodes(dense)))


def test_codes_that_are_not_finite_are_refused():
    with pytest.raises(SubjectFailed, match="NaN"):
        values_of(DenseCodes(torch.tensor([[1.0, float("nan")]])))


@pytest.mark.parametrize("width", [30, 400])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_a_probe_on_principal_axes_is_the_probe_on_all_standardised_columns(width, form):
    draw = np.random.default_rng(0)
    values = draw.exponential(size=(120, width)) * (draw.random((120, width)) < 0.2) * draw.uniform(0.1, 50, size=width)
    values[:, 3] = 0.0
    y = (values[:, 0] + values[:, 1] > np.median(values[:, 0] + values[:, 1])).astype(int)
    fitted, asked = values[:80], values[80:]
    view = principal(form(fitted), form(asked))
    scaler = StandardScaler().fit(fitted)
    theirs = LogisticRegression(C=0.1, tol=1e-10, max_iter=10_000).fit(scaler.transform(fitted), y[:80])
    (ours,) = LOGISTIC.scores(view, y[:80], (0.1,))
    assert ours == pytest.approx(theirs.decision_function(scaler.transform(asked)), abs=1e-5)


def test_components_and_neighbours_are_those_of_scikit_learn(data):
    x, y = data
    fitted, asked, labels = x[:100], x[100:], y[:100]
    view = principal(fitted, asked)
    scaler = StandardScaler().fit(fitted)
    a, b = scaler.transform(fitted), scaler.transform(asked)
    turned = PCA(4).fit(a)
    theirs = LogisticRegression(tol=1e-10, max_iter=10_000).fit(turned.transform(a), labels)
    (ours,) = COMPONENTS.scores(view, labels, (4.0,))
    assert ours == pytest.approx(theirs.decision_function(turned.transform(b)), abs=1e-5)
    near = KNeighborsClassifier(7).fit(a, labels)
    (ours,) = NEIGHBOURS.scores(view, labels, (7.0,))
    assert auc(ours, y[100:]) == pytest.approx(roc_auc_score(y[100:], near.predict_proba(b)[:, 1]), abs=1e-12)
    assert ((ours > 0) == (near.predict(b) == 1)).all()


def test_constant_columns_become_zero():
    x = np.column_stack([np.full(10, 0.1), np.arange(10.0)])
    a, b = standardised(x, x + 1, np.array([0, 1]))
    assert (a[:, 0] == 0).all()
    assert (b[:, 0] == 0).all()
    assert a[:, 1].std() == pytest.approx(1.0)


def test_one_latent_scores_the_rank_statistic_of_its_column(data):
    x, y = data
    asked = Asked(np.arange(110), y[:110], np.arange(110, 160), y[110:])
    made = latent_probes(x, asked, seed=0)
    (best,) = best_latents(x[:110], y[:110], 1)
    rises = x[:110, best][y[:110] == 1].mean() > x[:110, best][y[:110] == 0].mean()
    theirs = roc_auc_score(y[110:], x[110:, best] if rises else -x[110:, best])
    assert made["1"].auc == pytest.approx(theirs, abs=1e-12)
    assert set(made) == {"1", "2", "5", "10", "all"}


def test_accuracy_and_f1_are_those_of_scikit_learn(data):
    x, y = data
    (scores,) = LOGISTIC.scores((x[:100], x[100:]), y[:100], (1.0,))
    made = probes.outcome(scores, y[100:], 0.5, 1.0)
    predicted = (scores > 0).astype(int)
    assert made.accuracy == accuracy_score(y[100:], predicted)
    assert made.f1 == pytest.approx(f1_score(y[100:], predicted, average="weighted"))


def test_validation_does_not_see_the_latents_of_the_rows_that_it_judges():
    """Among 4,000 columns of noise the best fit training rows well; judged on other rows they are worth nothing."""
    draw = np.random.default_rng(0)
    values, y = draw.normal(size=(100, 4000)), balanced(100)
    asked = Asked(np.arange(60), y[:60], np.arange(60, 100), y[60:])
    made = latent_probes(values, asked, seed=0)
    assert abs(made["16"].validation - 0.5) < 0.2


def question(n_train: int, n_test: int) -> Split:
    y, z = balanced(n_train), balanced(n_test)
    return Split("1", np.arange(n_train), y, np.arange(n_train, n_train + n_test), z)


def test_scarce_training_parts_are_nested_and_as_balanced_as_they_can_be():
    base = question(64, 20)
    made = dict(levels_of(base, "scarcity", (2, 5, 20, 64, 100), 0))
    assert list(made) == [" n=2", " n=5", " n=20", " n=64"]
    assert [int(one.y_train.sum()) for one in made.values()] == [1, 3, 10, 32]
    rows = [set(one.train.tolist()) for one in made.values()]
    assert rows[0] < rows[1] < rows[2] < rows[3]
    assert all(np.array_equal(one.test, base.test) for one in made.values())


def test_lopsided_parts_have_their_share_on_both_sides_and_one_size():
    base = question(200, 100)
    made = dict(levels_of(base, "imbalance", (), 0))
    assert len(made) == 19
    assert {len(one.train) for one in made.values()} == {105}
    assert {len(one.test) for one in made.values()} == {52}
    for name, one in made.items():
        share = float(name.partition("=")[2])
        assert abs(one.y_train.mean() - share) <= 1 / 105
        assert abs(one.y_test.mean() - share) <= 1 / 52
        assert (one.y_train == base.y_train[np.searchsorted(base.train, one.train)]).all()


def test_noise_turns_training_labels_alone():
    base = question(100, 40)
    made = dict(levels_of(base, "noise", (0.0, 0.3), 7))
    assert np.array_equal(made[" flipped=0"].y_train, base.y_train)
    assert int((made[" flipped=0.3"].y_train != base.y_train).sum()) == 30
    assert np.array_equal(made[" flipped=0.3"].y_test, base.y_test)
