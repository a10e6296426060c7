"""Truths about `absorption@1`: published formulas on known numbers, and dictionaries whose absorption is known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from absorption_world import LETTER, SITE, WORDS, Joined, Rearranged, Spelled, World, make_world, word_tokenizer
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression

from saebench.baselines.controls import Identity, MeanOnly, PermutedDecoder, RandomDictionary
from saebench.bench import FileJournal
from saebench.dictionaries.codes import Codes
from saebench.dictionaries.contract import Context, Traits
from saebench.dictionaries.fakes import RandomLinear
from saebench.fakes import FakeSubject, bench_of
from saebench.lm.fakes import tiny_model, tiny_tokenizer
from saebench.tasks.absorption.measures import WordScores, score_words
from saebench.tasks.absorption.probes import qualities, train_probes
from saebench.tasks.absorption.selection import KSparse, scores_of_latents
from saebench.tasks.absorption.task import Absorption, AbsorptionParams
from saebench.tasks.absorption.words import LETTERS, QUESTION, vocabulary_words, word_sets
from saebench.tasks.summary import summarise

PARAMS = AbsorptionParams(
    examples=2, min_letters=10, min_true_positives=1, checked_words=1, max_latents=3, penalty=0.03
)
NO_CHECK = PARAMS.model_copy(update={"checked_words": 0})


def one_word(a: float, s: list[float], cosines: list[float], main: list[int], codes: list[float] | None = None):
    """One word's scores as plain numbers; codes default to being active wherever s is not 0."""
    projections = np.array([s])
    silent = projections == 0 if codes is None else np.abs(np.array([codes])) < 1e-8
    return score_words(np.array([a]), projections, silent, np.array(cosines), main)


def test_published_oracle_of_both_fractions():
    """O7.1: a = 1, M = .1, twenty others with s = .04 and cosine .05."""
    made = one_word(1.0, [0.1, *[0.04] * 20], [0.5, *[0.05] * 20], [0])
    assert made.fraction_2024[0] == pytest.approx(0.888889, abs=5e-7)
    assert made.fraction_2026[0] == 0.0


def test_both_fractions_on_a_partly_absorbed_word():
    """M = .3, others .5, .1, .1 and .05: P takes the best three, q is cut to what the main latent leaves."""
    made = one_word(1.0, [0.3, 0.5, 0.1, 0.1, 0.05], [0.9, 0.6, 0.3, 0.3, 0.3], [0])
    assert made.fraction_2024[0] == pytest.approx(0.75 / 1.05)
    assert made.fraction_2026[0] == pytest.approx(0.7 / 1.0)
    small = one_word(0.6, [0.3, 0.5, 0.1, 0.1, 0.05], [0.9, 0.6, 0.3, 0.3, 0.3], [0])
    assert small.fraction_2026[0] == pytest.approx(0.3 / 0.6)
    assert made.absorbers.tolist() == [[1, 2, 3]]


@pytest.mark.parametrize(
    ("a", "s", "cosine", "expected"),
    [
        (1.0, [0.0, 0.5], 0.3, True),
        (1.0, [0.0, 0.39], 0.3, False),
        (1.0, [0.0, 0.5], 0.02, False),
        (1.0, [0.001, 0.5], 0.3, False),
        (-1.0, [0.0, 0.5], 0.3, False),
    ],
    ids=["all hold", "small share", "small cosine", "the main latent fires", "the probe is not active"],
)
def test_full_absorption_needs_every_clause(a, s, cosine, expected):
    assert one_word(a, s, [0.5, cosine], [0]).full[0] == expected


@pytest.mark.parametrize(
    ("s", "state"),
    [
        ([0.0, 0.5], "absorbed"),
        ([0.3, 0.5], "absorbed"),
        ([0.0, 0.3], "missing"),
        ([0.3, 0.3], "partial"),
        ([0.5, 0.3], "present"),
    ],
)
def test_the_state_of_a_word(s, state):
    made = one_word(1.0, s, [0.5, 0.5], [0])
    assert {name for name in ("absorbed", "missing", "partial", "present") if getattr(made, name)[0]} == {state}


def random_words(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[int]]:
    draw = np.random.default_rng(seed)
    s = draw.normal(size=(200, 12)) * (draw.random((200, 12)) < 0.4)
    return draw.normal(0.5, 1, size=200), s, s == 0, draw.uniform(-1, 1, size=12), [3, 7]


def test_every_word_is_in_exactly_one_state_and_fractions_stay_in_their_range():
    a, s, silent, cosines, main = random_words()
    made = score_words(a, s, silent, cosines, main)
    assert (sum(getattr(made, name).astype(int) for name in ("absorbed", "missing", "partial", "present")) == 1).all()
    for fraction in (made.fraction_2024, made.fraction_2026):
        assert fraction.min() >= 0
        assert fraction.max() <= 1
        assert len(np.unique(fraction)) > 5
    assert not (made.full & made.present).any()


def test_the_sign_of_a_latent_is_a_convention():
    """Code and atom both negated: the same projection, the opposite cosine."""
    a, s, silent, cosines, main = random_words()
    flipped = score_words(a, s, silent, np.where(np.arange(12) % 2, -cosines, cosines), main)
    made = score_words(a, s, silent, cosines, main)
    for name in WordScores.__dataclass_fields__:
        assert np.array_equal(getattr(made, name), getattr(flipped, name)), name


def test_selection_solves_the_l1_problem_that_sklearn_solves():
    draw = np.random.default_rng(0)
    codes = np.abs(draw.normal(size=(300, 15))) * (draw.random((300, 15)) < 0.3)
    positive = codes[:, [2, 5]] + 0.3 * draw.normal(size=(300, 2)) > 0.4
    penalty = 0.02
    for column in range(2):
        wanted = positive[:, column]
        cost = np.where(wanted, (~wanted).sum() / wanted.sum(), 1.0) / 300
        solver = LogisticRegression(l1_ratio=1.0, C=1 / penalty, solver="saga", tol=1e-10, max_iter=100_000)
        weights = solver.fit(codes, wanted, sample_weight=cost).coef_[0]
        expected = weights * codes[wanted].mean(0)
        ranks = scores_of_latents(codes, positive, penalty, signed=False)[:, column]
        clear = np.abs(weights) > 1e-4
        assert (weights[clear] > 0).sum() >= 2
        np.testing.assert_allclose(ranks[weights > 1e-4], expected[weights > 1e-4], rtol=1e-3)
        assert (ranks[weights <= 0] <= 0).all()


def test_a_latent_of_one_word_does_not_stand_for_the_letter():
    """Latent 0 fires on 15 of 20 positives, latent 1 strongly on one of the rest; nothing fires on negatives."""
    codes = np.zeros((200, 2))
    codes[:15, 0], codes[15, 1] = 1.0, 5.0
    positive = (np.arange(200) < 20)[:, None]
    ranks = scores_of_latents(codes, positive, 0.001, signed=False)[:, 0]
    assert ranks[0] > ranks[1] > 0


def test_sparse_and_dense_codes_are_ranked_alike():
    draw = np.random.default_rng(0)
    codes = np.abs(draw.normal(size=(100, 30))) * (draw.random((100, 30)) < 0.1)
    positive = draw.random((100, 4)) < 0.3
    dense, sparse = (scores_of_latents(one, positive, 0.01, signed=False) for one in (codes, csr_array(codes)))
    np.testing.assert_allclose(dense, sparse, rtol=1e-9, atol=1e-12)


def test_a_letter_is_split_as_long_as_f1_jumps():
    assert KSparse((5, 8, 2, 9), (0.5, 0.6, 0.62, 0.9)).main(0.03) == (5, 8)
    assert KSparse((5, 8, 2, 9), (0.5, 0.5, 0.9, 0.9)).main(0.03) == (5,)
    assert KSparse((5, 8), (0.5, 0.9)).main(0.03) == (5, 8)


def test_probes_find_directions_and_know_letters_without_words():
    draw = np.random.default_rng(0)
    letters = draw.integers(0, 5, size=400)
    centres = draw.normal(size=(26, 40))
    x = (40 * (centres[letters] + 0.3 * draw.normal(size=(400, 40)))).astype(np.float32)
    probes = train_probes(x[:300], letters[:300], seed=0)
    made = qualities(probes.logits(x[300:]), letters[300:])
    assert min(one.f1 for one in made[:5]) > 0.95
    assert [one.f1 for one in made[5:]] == [None] * 21
    assert not (probes.logits(x)[:, 5:] > 0).any()
    assert np.allclose(np.linalg.norm(probes.directions[:5], axis=1), 1)


# Words


def test_words_are_letters_after_at_most_one_space_one_form_of_each():
    tokenizer = word_tokenizer([" cat", " Cat", "cat", " dog", " x", "dog7", " caf\u00e9"])
    names = [word.name.lower() for word in vocabulary_words(tokenizer, 0)]
    assert sorted(names) == sorted(["cat", "dog", "word", *QUESTION.rstrip(":").split()])


def test_a_space_that_a_tokenizer_writes_as_an_underscore_is_a_space():
    """Sentencepiece style: the first token of a text loses its space when decoded alone."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    known = ["<bos>", "<unk>", "\u2581", "a", "\u2581a", "\n", "\u2581cat", "dog"]
    inner = Tokenizer(models.WordLevel({token: index for index, token in enumerate(known)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split("\n", behavior="isolated"), pre_tokenizers.Metaspace(prepend_scheme="never")]
    )
    inner.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<bos>", unk_token="<unk>")
    assert {word.text for word in vocabulary_words(tokenizer, 0)} == {" cat", "dog"}


def test_sides_share_no_word_and_examples_come_from_the_same_side(world):
    sets = word_sets(world.lm.tokenizer, train_words=10, test_words=4, examples=3, seed=0)
    sides = [{word.name.lower() for word in side.words} for side in (sets.train, sets.test)]
    assert not sides[0] & sides[1]
    assert np.bincount(sets.train.letters).max() == 10
    assert np.bincount(sets.test.letters).max() == 4
    for side, names in zip((sets.train, sets.test), sides, strict=True):
        for word, text in zip(side.words, side.texts, strict=True):
            *lines, last = text.split("\n")
            shown = [line.removesuffix(line[-2:]).removesuffix(QUESTION).strip() for line in lines[1:]]
            assert last == word.text
            assert len(set(shown)) == 3
            assert set(shown) <= names - {word.name}
            assert all(line[-1] == name[0].upper() for line, name in zip(lines[1:], shown, strict=True))


def test_another_seed_draws_other_words_and_the_same_seed_the_same(world):
    def drawn(seed: int) -> str:
        return word_sets(world.lm.tokenizer, train_words=10, test_words=4, examples=3, seed=seed).fingerprint()

    assert drawn(0) == drawn(0)
    assert drawn(0) != drawn(1)


# The task


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


def flags(world: World, share: float) -> torch.Tensor:
    """Which words are flagged, `[26 * WORDS]`: about this share of each letter's."""
    return torch.arange(len(world.words)) % WORDS * 7 % 10 < 10 * share


def spelled(world: World, share: float, absorbing: bool = True) -> Spelled:
    return Spelled(world.letters, world.words, flags(world, share), absorbing)


def score(world: World, made: dict[str, Any], params: AbsorptionParams = NO_CHECK, site: str = SITE, **options: Any):
    bench = bench_of(world.lm, params, **options)
    subjects = [FakeSubject(dictionary, name, site=site) for name, dictionary in made.items()]
    return Absorption().run(subjects, bench), bench


def values(scores) -> dict[str, float | None]:
    return {name: metric.value for name, metric in summarise(Absorption.card, scores).items()}


def flagged_share(world: World, scores, share: float) -> float:
    """Mean over counted letters of the share of flagged words among those that the probe finds."""
    sets = word_sets(world.lm.tokenizer, train_words=100, test_words=40, examples=2, seed=0)
    flagged = {name for name, flag in zip(vocabulary_names(world), flags(world, share), strict=True) if flag}
    letters = []
    for letter, detail in scores.details["letters"].items():
        words = [word.text for word in sets.test.words if LETTERS[word.letter] == letter]
        if not detail["left_out"]:
            assert detail["true_positives"] == detail["test_words"] == len(words)
            letters.append(np.mean([word in flagged for word in words]))
    return float(np.mean(letters))


def vocabulary_names(world: World) -> list[str]:
    weight = world.lm.hf.get_input_embeddings().weight
    rows = [int((weight @ own).argmax()) for own in world.words]
    return world.lm.tokenizer.convert_ids_to_tokens(rows)


@pytest.fixture(scope="module")
def panel(world) -> dict[str, Any]:
    width = world.lm.d_model
    made = {
        "clean": spelled(world, 0.0),
        "some": spelled(world, 0.3),
        "most": spelled(world, 0.8),
        "lost": spelled(world, 0.3, absorbing=False),
        "permuted": PermutedDecoder(spelled(world, 0.0), seed=0),
        "random": RandomDictionary(width, 650, 2, 0, torch.zeros(width)),
    }
    scores, bench = score(world, made)
    assert not bench.failures
    return scores


def test_without_absorption_every_score_is_zero_and_the_letter_is_present(panel):
    made = values(panel["clean"])
    assert made["absorption_fraction_2026"] == 0
    assert made["full_absorption"] == 0
    assert made["absorbed_rate"] == 0
    assert made["missing_rate"] == 0
    assert made["absorption_fraction_2024"] < 0.05
    assert made["present_rate"] == 1
    assert made["split_latents"] == 1
    assert made["first_letter_f1_k1"] == 1
    assert made["l0"] == 2


def test_main_latents_are_the_letters_own(panel):
    for name in ("clean", "some", "lost"):
        for letter, detail in panel[name].details["letters"].items():
            if not detail["left_out"]:
                assert detail["main_latents"] == [LETTERS.index(letter)], name


@pytest.mark.parametrize(("name", "share"), [("some", 0.3), ("most", 0.8)])
def test_constructed_absorption_is_measured_exactly(world, panel, name, share):
    expected = flagged_share(world, panel[name], share)
    made = values(panel[name])
    assert expected > 0.2
    for metric in ("full_absorption", "absorption_fraction_2026", "absorbed_rate"):
        assert made[metric] == pytest.approx(expected), metric
    assert made["absorption_fraction_2024"] == pytest.approx(expected, abs=0.05)
    assert made["missing_rate"] == 0


def test_a_dictionary_that_absorbs_most_words_scores_near_one(panel):
    made = values(panel["most"])
    assert made["absorption_fraction_2024"] > 0.7
    assert made["absorption_fraction_2026"] > 0.7


def test_a_letter_that_no_latent_holds_is_missing_and_not_absorbed(world, panel):
    made = values(panel["lost"])
    assert made["missing_rate"] == pytest.approx(flagged_share(world, panel["lost"], 0.3))
    assert made["absorbed_rate"] == 0
    assert made["full_absorption"] == 0


def test_controls_do_not_absorb_and_do_not_hold_the_letter_either(panel):
    made = {name: values(one) for name, one in panel.items()}
    assert made["clean"]["present_rate"] > made["some"]["present_rate"]
    for control in ("permuted", "random"):
        assert made[control]["present_rate"] < 0.1 < made["some"]["present_rate"]
        assert made[control]["full_absorption"] <= 0.1
    assert made["permuted"]["first_letter_f1_k1"] == 1
    assert made["random"]["first_letter_f1_k1"] < 0.6


def test_intervals_resample_letters(panel):
    metric = summarise(Absorption.card, panel["some"])["full_absorption"]
    assert metric.low < metric.value < metric.high
    assert metric.n == sum(not detail["left_out"] for detail in panel["some"].details["letters"].values())


def tables_equal(one, other, rel: float = 0.0) -> None:
    for name, column in one.tables["letters"].columns.items():
        np.testing.assert_allclose(other.tables["letters"].columns[name], column, rtol=rel, atol=rel, err_msg=name)


DEEP = "blocks.0.hook_resid_post"


def deep_dictionary(world: World) -> Joined:
    """Absorption by construction among many latents that have nothing to do with letters."""
    return Joined(spelled(world, 0.3), RandomLinear.draw(world.lm.d_model, 300, offset=0.2, seed=1))


def test_order_and_length_of_latents_change_nothing(world):
    of = deep_dictionary(world)
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(of.d_dict, generator=generator)
    factors = torch.exp(torch.randn(of.d_dict, generator=generator))
    scores, bench = score(world, {"a": of, "b": Rearranged(of, order, factors)}, PARAMS, DEEP)
    assert not bench.failures
    columns = scores["a"].tables["letters"].columns
    assert columns["checked"].sum() > 5
    assert columns["random_effect"].any()
    tables_equal(scores["a"], scores["b"], 1e-4)


def test_signs_of_signed_latents_change_nothing(world):
    of = Identity(world.lm.d_model)
    factors = torch.where(torch.arange(of.d_in) % 3 == 0, -1.0, 1.0)
    scores, _ = score(world, {"a": of, "b": Rearranged(of, torch.arange(of.d_in), factors)}, NO_CHECK, DEEP)
    tables_equal(scores["a"], scores["b"], 1e-6)


def test_batch_size_changes_nothing_beyond_rounding(world, tmp_path):
    made = {"a": deep_dictionary(world)}
    whole, _ = score(world, made, PARAMS, DEEP, folder=tmp_path, rows_per_block=64)
    for rows in (1, 3):
        other, _ = score(world, made, PARAMS, DEEP, folder=tmp_path, rows_per_block=rows)
        tables_equal(whole["a"], other["a"], 1e-5)


def test_company_order_and_a_warm_cache_change_nothing(world, tmp_path):
    first, second = deep_dictionary(world), spelled(world, 0.3)
    alone, _ = score(world, {"a": first}, PARAMS, DEEP, folder=tmp_path)
    warm, _ = score(world, {"b": second, "a": first}, PARAMS, DEEP, folder=tmp_path)
    cold, _ = score(world, {"b": second, "a": first}, PARAMS, DEEP)
    tables_equal(alone["a"], warm["a"])
    tables_equal(alone["a"], cold["a"])
    assert alone["a"].details == warm["a"].details == cold["a"].details


@contextmanager
def counted(world: World) -> Iterator[list[int]]:
    """Sequences that enter the first block of the model, one number a pass."""
    passes: list[int] = []
    block = world.lm.hf.model.layers[0]
    handle = block.register_forward_pre_hook(lambda module, given: passes.append(len(given[0])))
    try:
        yield passes
    finally:
        handle.remove()


def test_later_dictionaries_run_no_pass_but_the_causal_check(world, tmp_path):
    made = {"some": spelled(world, 0.3)}
    with counted(world) as passes:
        first, _ = score(world, made, PARAMS, folder=tmp_path)
    checked = first["some"].tables["letters"].columns["checked"].sum()
    assert checked > 5
    assert sum(passes) > 3 * checked
    with counted(world) as passes:
        score(world, {**made, "lost": spelled(world, 0.3, absorbing=False)}, PARAMS, folder=tmp_path)
    assert sum(passes) == 3 * checked
    with counted(world) as passes:
        score(world, made, NO_CHECK, folder=tmp_path)
    assert passes == []


def test_the_causal_check_equals_a_pass_from_edited_embeddings(world):
    """At the embeddings a removal can be written into the input: what is taken is the absorber's whole atom."""
    scores, _ = score(world, {"some": spelled(world, 0.3)}, PARAMS.model_copy(update={"test_words": 8}))
    sets = word_sets(world.lm.tokenizer, train_words=100, test_words=8, examples=2, seed=0)
    tokenizer, hf = world.lm.tokenizer, world.lm.hf
    rows = {word.text: row for row, word in enumerate(sets.test.words)}
    places = {name: place for place, name in enumerate(vocabulary_names(world))}
    answers = tokenizer.convert_tokens_to_ids([f" {letter.upper()}" for letter in LETTERS])
    columns = scores["some"].tables["letters"].columns
    compared = 0
    for letter, detail in scores["some"].details["letters"].items():
        index = LETTERS.index(letter)
        if not columns["checked"][index]:
            continue
        word = detail["absorbed_words"][0]["word"]
        ids = tokenizer(sets.test.texts[rows[word]] + QUESTION, add_special_tokens=False)["input_ids"]
        embedded = hf.get_input_embeddings()(torch.tensor([[tokenizer.bos_token_id, *ids]]))
        edited = embedded.clone()
        (where,) = np.flatnonzero(np.array(ids) == tokenizer.convert_tokens_to_ids(word))
        edited[0, where + 1] -= 2.0 * world.words[places[word]] + LETTER * world.letters[index]
        with torch.no_grad():
            logits = hf(inputs_embeds=torch.cat([embedded, edited])).logits[:, -1, answers].double()
        gap = logits[:, index] - (logits.sum(1) - logits[:, index]) / 25
        assert columns["absorber_effect"][index] == pytest.approx(float(gap[0] - gap[1]), rel=1e-3, abs=1e-4)
        compared += 1
    assert compared > 5
    assert columns["random_effect"].sum() == 0, "no other latent is active on an absorbed word"


class Killed(BaseException):
    pass


class Dying(Identity):
    def encode(self, x: torch.Tensor, context: Context | None = None) -> Codes:
        raise Killed


def test_a_killed_run_keeps_the_dictionaries_that_were_done(world, tmp_path):
    first, second = spelled(world, 0.3), spelled(world, 0.0)
    journal = FileJournal(tmp_path / "journal.npz")
    whole, _ = score(world, {"a": first, "b": second}, folder=tmp_path)
    with pytest.raises(Killed):
        score(world, {"a": first, "b": Dying(world.lm.d_model)}, folder=tmp_path, journal=journal)
    again, bench = score(world, {"a": ValueError("asked twice"), "b": second}, folder=tmp_path, journal=journal)
    assert not bench.failures
    for name in ("a", "b"):
        tables_equal(whole[name], again[name])
        assert whole[name].details == again[name].details


def test_too_few_letters_leave_every_metric_undefined_with_the_reason(world, tmp_path):
    strict = NO_CHECK.model_copy(update={"min_letters": 24, "min_true_positives": 4})
    scores, bench = score(world, {"a": spelled(world, 0.0)}, strict, folder=tmp_path)
    made = summarise(Absorption.card, scores["a"])
    assert not bench.failures
    assert all(metric.value is None and "24 are needed" in metric.undefined for metric in made.values())
    details = scores["a"].details["letters"]
    left_out = [detail for detail in details.values() if detail["left_out"]]
    assert any("true positives" in detail["left_out"] for detail in left_out)
    assert all(detail["true_positives"] >= 4 for detail in details.values() if not detail["left_out"])
    assert all(detail["true_positives"] < 4 for detail in left_out)


def test_a_vocabulary_without_words_is_undefined_and_runs_nothing():
    lm = tiny_model("llama", n_layers=2)
    assert lm.tokenizer.get_vocab() == tiny_tokenizer().get_vocab()
    task = Absorption()
    (record,) = task.data(AbsorptionParams(), lm, 0)
    assert record.documents == 0
    scores = task.run([FakeSubject(Identity(16), "a")], bench_of(lm, AbsorptionParams()))
    made = summarise(task.card, scores["a"])
    assert all("0 of 26 letters" in metric.undefined for metric in made.values())
    assert scores["a"].details["letters"]["q"] == {"vocabulary_words": 0, "train_words": 0, "test_words": 0}


def test_a_dictionary_without_atoms_keeps_what_needs_none(world):
    made = values(score(world, {"mean": MeanOnly(torch.zeros(world.lm.d_model))}, PARAMS)[0]["mean"])
    assert made["first_letter_f1_k1"] is not None
    assert made["l0"] == 0
    assert made["absorption_fraction_2026"] is None
    assert made["absorber_effect"] is None


def test_a_dictionary_that_reads_sequences_fails_alone(world):
    running = Identity(world.lm.d_model)
    running.traits = Traits(sequence_coupled=True)
    scores, bench = score(world, {"running": running, "clean": spelled(world, 0.0)})
    assert list(scores) == ["clean"]
    assert "single tokens" in bench.failures["running"].message


def test_codes_that_are_not_finite_fail_alone(world):
    broken = Rearranged(spelled(world, 0.0), torch.arange(26 + 26 * WORDS), torch.zeros(26 + 26 * WORDS))
    scores, bench = score(world, {"broken": broken, "clean": spelled(world, 0.0)})
    assert list(scores) == ["clean"]
    assert "NaN" in bench.failures["broken"].message


def test_identity_covers_words_parameters_and_seed(world):
    task = Absorption()

    def fingerprint(seed: int = 0, **update: Any) -> str:
        return task.data(PARAMS.model_copy(update=update), world.lm, seed)[0].fingerprint

    assert fingerprint() == fingerprint()
    assert len({fingerprint(), fingerprint(1), fingerprint(examples=3), fingerprint(train_words=5)}) == 4
