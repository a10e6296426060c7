"""Truths about concept methods: known values, other implementations, invariances, bad lessons, what is kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from planted_texts import SITE, D, concept_texts, planted
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from saebench.baselines.concepts import CONCEPTS
from saebench.baselines.concepts.bow import Words
from saebench.baselines.concepts.caa import LastTokens
from saebench.baselines.concepts.conformance import check_concept, toy_lesson
from saebench.baselines.concepts.diffmean import DiffMean
from saebench.baselines.concepts.keeping import load_concept, save_concept
from saebench.baselines.concepts.lat import Lat
from saebench.baselines.concepts.latents import BestLatent, OutputLatent
from saebench.baselines.concepts.method import Lesson
from saebench.baselines.concepts.permuted_labels import PermutedLabels, half_wrong
from saebench.baselines.concepts.principal import PrincipalDirection
from saebench.baselines.concepts.probe import Probe
from saebench.baselines.concepts.random_direction import RandomDirection
from saebench.dictionaries.codes import DenseCodes
from saebench.dictionaries.contract import Traits
from saebench.dictionaries.fakes import RandomLinear
from saebench.errors import DataError, SubjectFailed, UsageError
from saebench.lm.fakes import tiny_model

READERS = [DiffMean(), LastTokens(), Probe(), Probe(penalty="l1"), PrincipalDirection(), Lat(), RandomDirection()]
"""Methods that read activations alone."""


def label(method: object) -> str:
    return method.label()


def auroc(found, lesson, pooling="max") -> float:
    return float(roc_auc_score(lesson.y, found.text_scores(lesson.texts, pooling)))


def two_texts() -> Lesson:
    """A text of three positive tokens, one of one, and a negative text of two."""
    x = torch.tensor([[1.0, 0], [1, 0], [4, 0], [2, 8], [0, 0], [0, 2]])
    return Lesson(concept_texts(x, np.array([3, 1, 2])), np.array([1, 1, 0]), "s")


def test_diffmean_weighs_tokens_and_not_texts():
    found = DiffMean().fit(two_texts())
    # Mean of the four positive tokens (2, 2), of the two negative ones (0, 1): the difference is (2, 1).
    torch.testing.assert_close(found.unit(), torch.tensor([2.0, 1.0]) / 5**0.5)
    assert found.sign == 1
    scores = found.token_scores(two_texts().texts) * 5**0.5
    np.testing.assert_allclose(scores, [2, 2, 8, 12, 0, 2], rtol=1e-6)
    np.testing.assert_allclose(found.text_scores(two_texts().texts, "max") * 5**0.5, [8, 12, 2], rtol=1e-6)
    np.testing.assert_allclose(found.text_scores(two_texts().texts, "mean") * 5**0.5, [4, 12, 1], rtol=1e-6)


def test_caa_reads_the_last_token_of_each_text():
    # Last tokens (4, 0), (2, 8) and (0, 2): mean (3, 4) less (0, 2) is (3, 2).
    torch.testing.assert_close(LastTokens().fit(two_texts()).unit(), torch.tensor([3.0, 2.0]) / 13**0.5)


def test_the_magnitude_is_how_far_training_tokens_reach():
    magnitude = DiffMean().fit(two_texts()).magnitude
    root = 5**0.5
    reach = np.array([magnitude.peak, magnitude.typical_peak, magnitude.positive, magnitude.negative]) * root
    np.testing.assert_allclose(reach, [12, 10, 6, 1], rtol=1e-6)
    np.testing.assert_allclose(magnitude.length, (1 + 1 + 4 + 68**0.5) / 4, rtol=1e-6)


@pytest.mark.parametrize("method", READERS[:4], ids=label)
def test_a_planted_concept_is_found(method):
    lesson, direction = planted(strength=8)
    found = method.fit(lesson)
    assert auroc(found, lesson) == auroc(found, lesson, "mean") == 1
    if method != Probe(penalty="l1"):
        assert float(found.unit() @ direction) > 0.8


@pytest.mark.parametrize("method", [PrincipalDirection(), Lat()], ids=label)
def test_an_axis_along_which_positives_vary_is_found_with_the_sign_of_the_labels(method):
    for way in (1, -1):
        lesson, direction = planted(strength=0)
        shifts = torch.randn(int(lesson.texts.counts.sum()), generator=torch.Generator().manual_seed(3)).abs() * 20
        x = lesson.texts.flat + way * (shifts * torch.from_numpy(lesson.positive))[:, None] * direction
        lesson = Lesson(concept_texts(x, lesson.texts.counts), lesson.y, "s")
        found = method.fit(lesson)
        assert float(found.unit() @ direction) * way > 0.97
        assert auroc(found, lesson) > 0.95


def test_pca_and_lat_are_first_right_singular_vectors():
    lesson, _ = planted(strength=2)
    tokens = lesson.texts.flat[torch.from_numpy(lesson.positive)].double().numpy()
    axis = np.linalg.svd(tokens - tokens.mean(0))[2][0]
    assert abs(PrincipalDirection().fit(lesson).unit().numpy() @ axis) == pytest.approx(1, abs=1e-6)
    order = torch.randperm(len(tokens), generator=lesson.generator("pairs")).numpy()
    half = len(tokens) // 2
    gaps = tokens[order[:half]] - tokens[order[half : 2 * half]]
    gaps /= np.linalg.norm(gaps, axis=1, keepdims=True)
    axis = np.linalg.svd(gaps - gaps.mean(0))[2][0]
    assert abs(Lat().fit(lesson).unit().numpy() @ axis) == pytest.approx(1, abs=1e-6)


def test_the_probe_is_a_logistic_regression_of_its_penalty():
    lesson, _ = planted(strength=1)
    found = Probe().fit(lesson)
    x = lesson.texts.flat.double().numpy()
    x = x - x.mean(0)
    x = x / np.sqrt((x * x).mean())
    for solver in ("lbfgs", "newton-cholesky"):
        model = LogisticRegression(C=found.notes["strength"] / len(x), solver=solver, tol=1e-8, max_iter=10_000)
        weights = model.fit(x, lesson.y[lesson.texts.owner]).coef_[0]
        assert found.unit().numpy() @ weights / np.linalg.norm(weights) == pytest.approx(1, abs=1e-5)


def test_an_l1_probe_uses_few_dimensions():
    lesson, _ = planted(strength=0)
    x = lesson.texts.flat.clone()
    x[:, 3] += 2.5 * torch.from_numpy(lesson.positive)
    lesson = Lesson(concept_texts(x, lesson.texts.counts), lesson.y, "s")
    found = Probe(penalty="l1").fit(lesson)
    assert found.notes["dimensions"] < D
    assert int(found.unit().abs().argmax()) == 3


@pytest.mark.parametrize("method", READERS, ids=label)
def test_directions_do_not_depend_on_the_scale_of_activations(method):
    lesson, _ = planted(strength=1)
    scaled = replace(lesson, texts=concept_texts(lesson.texts.flat * 1024, lesson.texts.counts))
    one, other = method.fit(lesson), method.fit(scaled)
    torch.testing.assert_close(one.unit(), other.unit(), rtol=0, atol=1e-4)
    assert one.magnitude.peak * 1024 == pytest.approx(other.magnitude.peak, rel=1e-4)


@pytest.mark.parametrize("method", [DiffMean(), LastTokens(), Probe()], ids=label)
def test_labels_the_other_way_round_turn_the_direction_round(method):
    lesson, _ = planted(strength=1)
    cosine = float(method.fit(replace(lesson, y=1 - lesson.y)).unit() @ method.fit(lesson).unit())
    # The penalty of a probe is chosen by largest token scores, in which the two classes are not alike.
    assert cosine == pytest.approx(-1, abs=0.05 if isinstance(method, Probe) else 1e-6)


def test_a_random_direction_has_the_sign_of_the_labels_and_changes_with_its_seed():
    lesson, _ = planted(strength=4)
    one, turned = RandomDirection().fit(lesson), RandomDirection().fit(replace(lesson, y=1 - lesson.y))
    assert {one.sign, turned.sign} == {1, -1}
    torch.testing.assert_close(one.unit(), -turned.unit())
    assert auroc(one, lesson, "mean") >= 0.5
    assert abs(float(one.unit() @ RandomDirection(seed=1).fit(lesson).unit())) < 0.99


def test_permuted_labels_hold_nothing_of_the_truth():
    y = np.array([0, 1] * 20)
    for seed in range(20):
        wrong = half_wrong(y, np.random.default_rng(seed))
        assert [int((wrong[y == side] == 1).sum()) for side in (0, 1)] == [10, 10]
    areas = []
    for seed in range(30):
        lesson, _ = planted(strength=1, seed=seed)
        areas.append(auroc(PermutedLabels(seed=seed).fit(lesson), lesson))
    assert abs(np.mean(areas) - 0.5) < 0.1
    assert auroc(DiffMean().fit(lesson), lesson) > 0.8


def test_a_bag_of_words_reads_words_and_nothing_else():
    lesson, _ = planted(strength=0)
    found = Words().fit(lesson)
    assert auroc(found, lesson) == 1
    assert found.direction is None
    assert found.token_scores(lesson.texts) is None
    with pytest.raises(SubjectFailed, match="no direction"):
        found.unit()
    with pytest.raises(DataError, match="no text holds a word"):
        Words().fit(replace(lesson, texts=replace(lesson.texts, strings=("?",) * 60)))


class Signed(RandomLinear):
    """Signed codes: coordinates along the atoms."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.traits = Traits(signed=True)

    def encode(self, x, context=None):
        return DenseCodes(x @ self.rows.T)


def with_atom(kind: type[RandomLinear], direction: torch.Tensor) -> RandomLinear:
    rows = RandomLinear.draw(D, 40, seed=5).rows.clone()
    rows[17] = 2 * direction
    return kind(rows)


def test_a_dictionary_that_holds_the_concept_is_known_by_that_latent():
    lesson, direction = planted(strength=8)
    found = BestLatent(with_atom(RandomLinear, direction)).fit(lesson)
    assert found.notes["latent"] == 17
    assert auroc(found, lesson) == 1
    torch.testing.assert_close(found.unit(), direction)
    # Its code is 2 <w, h>, and one unit of the code is a vector of length 2.
    reach = 4 * (lesson.texts.flat @ direction).relu().double().numpy()
    assert found.magnitude.peak == pytest.approx(float(reach[lesson.positive].max()), rel=1e-5)


def test_the_best_latent_is_the_one_of_scikit_learns_best_auroc():
    lesson, _ = planted(strength=1.5)
    made = RandomLinear.draw(D, 40, offset=0.5, seed=1)
    codes = made.encode(lesson.texts.flat).dense().numpy()
    starts = np.cumsum(lesson.texts.counts) - lesson.texts.counts
    peaks = np.maximum.reduceat(codes, starts)
    areas = [roc_auc_score(lesson.y, column) for column in peaks.T]
    found = BestLatent(made).fit(lesson)
    assert found.notes["latent"] == int(np.argmax(areas))
    assert found.notes["training_auroc"] == pytest.approx(max(areas))


def test_a_signed_dictionary_may_count_backwards_and_another_may_not():
    lesson, direction = planted(strength=8)
    found = BestLatent(with_atom(Signed, -direction)).fit(lesson)
    assert (found.notes["latent"], found.sign) == (17, -1)
    torch.testing.assert_close(found.unit(), direction)
    assert auroc(found, lesson) == 1
    assert BestLatent(with_atom(RandomLinear, -direction)).fit(lesson).sign == 1


def test_a_latent_is_chosen_by_what_it_makes_the_model_say():
    lm = tiny_model("llama", d_model=D, vocab=40)
    lesson = toy_lesson(lm, SITE)
    made = RandomLinear.draw(D, 40, seed=2)
    found = OutputLatent(made, among=8).fit(lesson)
    ranked = BestLatent(made).candidates(lesson, 8)
    assert found.notes["latent"] == ranked[found.notes["place"]].latent
    assert 0 < found.notes["output_score"] <= 1
    assert OutputLatent(made, among=1).fit(lesson).notes["latent"] == BestLatent(made).fit(lesson).notes["latent"]
    with pytest.raises(SubjectFailed, match="given none"):
        OutputLatent(made).fit(replace(lesson, lm=None))


@pytest.mark.parametrize("name", CONCEPTS.names())
@pytest.mark.parametrize("site", [SITE, "blocks.1.mlp.hook_post"])
def test_every_method_conforms(name, site):
    lesson = toy_lesson(tiny_model("llama"), site)
    assert not [finding for finding in check_concept(CONCEPTS.get(name)(), lesson) if not finding.ok]


def test_every_way_of_choosing_a_latent_conforms():
    lesson = toy_lesson(tiny_model("llama", d_model=D), SITE)
    for kind in (BestLatent, OutputLatent):
        method = kind(RandomLinear.draw(D, 30))
        assert not [finding for finding in check_concept(method, lesson) if not finding.ok]


@pytest.mark.parametrize("name", ["reft_r1", "ssv"])
def test_training_through_the_model_makes_the_texts_more_predictable(name):
    lesson = toy_lesson(tiny_model("llama", d_model=32), SITE)
    found = CONCEPTS.get(name)(texts=12, epochs=15, batch=12).fit(lesson)
    assert found.notes["loss_last"] < found.notes["loss_first"] - 0.02


def test_a_kept_concept_scores_alike(tmp_path):
    lesson, direction = planted()
    made = with_atom(RandomLinear, direction)
    for number, method in enumerate([*READERS, Words(), BestLatent(made)]):
        found = method.fit(lesson)
        path = tmp_path / f"{number}.npz"
        save_concept(found, path)
        again = load_concept(path, method.dictionary)
        for pooling in ("max", "mean"):
            assert (again.text_scores(lesson.texts, pooling) == found.text_scores(lesson.texts, pooling)).all()
        assert (again.sign, again.magnitude, again.notes) == (found.sign, found.magnitude, found.notes)
    with pytest.raises(UsageError, match="without its dictionary"):
        load_concept(path)
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"bad\.npz.*is not a kept concept"):
        load_concept(tmp_path / "bad.npz")


def test_a_lesson_without_one_kind_of_text_is_refused():
    lesson, _ = planted()
    for value, word in ((0, "positive"), (1, "negative")):
        with pytest.raises(DataError, match=f"no {word} text"):
            replace(lesson, y=np.full_like(lesson.y, value))


@pytest.mark.parametrize("method", READERS[:6], ids=label)
def test_a_direction_of_zero_norm_is_refused_with_the_reason(method):
    lesson, _ = planted()
    still = replace(lesson, texts=concept_texts(torch.ones_like(lesson.texts.flat), lesson.texts.counts))
    with pytest.raises((SubjectFailed, DataError), match=r"no direction|same activation|no principal component"):
        method.fit(still)


def test_codes_that_are_not_finite_are_refused():
    class Broken(RandomLinear):
        def encode(self, x, context=None):
            return DenseCodes(x @ self.rows.T * float("nan"))

    lesson, _ = planted()
    with pytest.raises(SubjectFailed, match="NaN"):
        BestLatent(Broken(RandomLinear.draw(D, 10).rows)).fit(lesson)
