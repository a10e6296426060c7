"""Truths about the parts of `autointerp@1`: windows, examples, texts, and the reading of answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from saebench.activations.sets import ActivationSet
from saebench.lm.fakes import tiny_tokenizer
from saebench.tasks.autointerp.examples import Examples, examples_of
from saebench.tasks.autointerp.prompts import read_explanation, read_numbers
from saebench.tasks.autointerp.texts import marked, pieces, plain
from saebench.tasks.autointerp.windows import Windows

LENGTH = 6


def test_windows_are_disjoint_unmasked_and_inside_one_row_and_document():
    draw = torch.Generator().manual_seed(0)
    mask = torch.rand(9, 30, generator=draw) > 0.1
    documents = (torch.rand(9, 30, generator=draw) > 0.9).cumsum(1) + 30 * torch.arange(9)[:, None]
    data = ActivationSet.from_tensor(torch.randn(9, 30, 2), mask, documents)
    data.rows.tokens[:] = np.arange(9 * 30).reshape(9, 30)
    windows = Windows.of(data.rows, LENGTH)
    used = windows.tokens.flatten()
    assert len(windows.tokens) > 5
    assert len(set(used)) == len(used)
    assert data.rows.mask.flat[used].all()
    assert (np.diff(windows.tokens, axis=1) == 1).all()
    for values in (used // 30, data.rows.documents.flat[used]):
        assert (np.ptp(values.reshape(-1, LENGTH), axis=1) == 0).all()
    # Places count unmasked tokens.
    assert np.array_equal(data.rows.tokens[data.rows.mask][windows.places], windows.tokens)


def test_every_stretch_gives_all_windows_that_fit():
    mask = torch.ones(1, 40, dtype=torch.bool)
    mask[0, [0, 19]] = False
    data = ActivationSet.from_tensor(torch.zeros(1, 40, 1), mask)
    # 18 tokens, then 20.
    assert len(Windows.of(data.rows, LENGTH).tokens) == 3 + 3
    assert len(Windows.of(data.rows, 20).tokens) == 1
    assert len(Windows.of(data.rows, 21).tokens) == 0


def values(active: int, idle: int, seed: int = 0) -> np.ndarray:
    """Codes of a latent that fires on one or two tokens of each active window."""
    draw = np.random.default_rng(seed)
    made = np.zeros((active + idle, LENGTH), dtype=np.float32)
    made[np.arange(active), draw.integers(LENGTH, size=active)] = 1 + draw.random(active)
    made[: active // 2, 0] = 0.1
    return made[draw.permutation(active + idle)]


@pytest.mark.parametrize(("active", "shown"), [(9, 5), (15, 11), (19, 15), (200, 15)])
def test_examples_tell_the_truth_and_no_window_is_both_shown_and_tested(active, shown):
    codes = values(active, 40)
    made = examples_of(codes, np.random.default_rng(0))
    assert isinstance(made, Examples)
    assert (len(made.shown), made.windows) == (shown, active)
    assert sum(one.active for one in made.held_out) == 4
    assert len(made.held_out) == 14
    used = [one.window for one in (*made.shown, *made.held_out)]
    assert len(set(used)) == len(used)
    for one in (*made.shown, *made.held_out):
        window = codes[one.window]
        assert one.active == (window.max() > 0)
        assert one.peak == window.max()
        assert one.marked
        if one.active:
            assert set(one.marked) == set(np.flatnonzero(window > 0.3 * window.max()))
    peaks = [one.peak for one in made.shown]
    assert peaks == sorted(peaks, reverse=True)


def test_top_windows_are_the_strongest_ones_and_they_are_in_both_halves():
    codes = values(100, 40)
    strongest = set(np.argsort(-codes.max(1))[:12].tolist())
    made = examples_of(codes, np.random.default_rng(0))
    assert isinstance(made, Examples)
    assert len(strongest & {one.window for one in made.shown}) == 10
    assert len(strongest & {one.window for one in made.held_out}) == 2


def test_weighted_windows_are_drawn_by_the_square_of_their_peak():
    codes = np.zeros((100, LENGTH), dtype=np.float32)
    codes[:20, 0] = 10
    codes[20, 0], codes[21:61, 0] = 4.0, 1.0
    drawn = []
    for seed in range(400):
        made = examples_of(codes, np.random.default_rng(seed))
        assert isinstance(made, Examples)
        drawn.append({one.window for one in (*made.shown, *made.held_out) if one.active})
    # 12 of 20 equal ones are the top; the others weigh 8 x 100, 16 and 40 x 1; 7 of them are drawn.
    strong, weak = (np.mean([window in one for one in drawn]) for window in (20, 21))
    assert strong / weak == pytest.approx(16, rel=0.5)


@pytest.mark.parametrize(
    ("active", "idle", "why"), [(0, 50, "dead"), (8, 50, "too rare"), (50, 9, "too dense"), (200, 0, "too dense")]
)
def test_a_latent_that_cannot_be_tested_says_why(active, idle, why):
    assert examples_of(values(active, idle), np.random.default_rng(0)) == why


def test_a_window_in_which_a_signed_latent_is_negative_is_never_inactive():
    codes = values(30, 12)
    idle = np.flatnonzero((codes == 0).all(1))
    codes[idle[:2], 3] = -1
    made = examples_of(codes, np.random.default_rng(0))
    assert isinstance(made, Examples)
    assert not {one.window for one in made.held_out} & set(idle[:2].tolist())
    codes[idle[2], 3] = -1
    assert examples_of(codes, np.random.default_rng(0)) == "too dense"


@pytest.fixture(scope="module")
def by_byte():
    """A token a byte: most characters are several tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE({letter: place for place, letter in enumerate(alphabet)}, []))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=inner)


@pytest.mark.parametrize("text", ["plain words", "naïve café", "日本語 text", "a\nb", "🙂!"])
def test_pieces_add_up_to_the_text(by_byte, text):
    ids = by_byte(text)["input_ids"]
    parts = pieces(by_byte, ids)
    assert len(parts) == len(ids)
    assert "".join(parts) == text.replace("\n", "↵")


def test_marks_stand_around_runs_of_tokens_and_not_around_the_space_before_them():
    parts = [" the", " old", " house", " fell", "."]
    assert plain(parts) == "the old house fell."
    assert marked(parts, (1, 2, 4)) == "the <<old house>> fell<<.>>"
    assert marked(parts, (0,)) == "<<the>> old house fell."


def test_one_letter_a_token_is_read_letter_by_letter():
    tokenizer = tiny_tokenizer()
    ids = tokenizer("abc d")["input_ids"]
    assert pieces(tokenizer, ids) == ["a", "b", "c", " ", "d"]


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ("1, 4, 7", {1, 4, 7}),
        ("None", set()),
        ("none.", set()),
        ("[2,3]", {2, 3}),
        ("Excerpts 2, 3 and 14.", {2, 3, 14}),
        ("Answer: 5", {5}),
        ("1\n2\n3", {1, 2, 3}),
        ("They look alike to me.\n\n**3, 9**", {3, 9}),
        ("4 4 4", {4}),
        ("", None),
        ("15", None),
        ("0", None),
        ("yes", None),
        ("1, 2 and maybe 5", None),
        ("-", None),
        ("²", None),
    ],
)
def test_answers_are_numbers_in_range_or_none_or_cannot_be_read(answer, named):
    assert read_numbers(answer, 14) == (None if named is None else frozenset(named))


@pytest.mark.parametrize(
    ("answer", "read"), [("\n  It is a word. \nMore.", "It is a word."), ("", None), ("...\n", None), ("ja", "ja")]
)
def test_an_explanation_is_the_first_line_that_says_something(answer, read):
    assert read_explanation(answer) == read
