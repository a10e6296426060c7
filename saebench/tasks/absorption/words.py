"""The words of `absorption@1` and their prompts, from the vocabulary of any tokenizer.

A word is a token whose text is two or more of the letters a to z, in either case, after at most one space, and which
the tokenizer gives back as this one token when the text stands on a line of its own. Tokens that differ in case or in
the space alone are forms of one word: one form is taken, so that no word stands on both sides of the split.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from saebench.data.layout import begin_and_pad
from saebench.data.text_rows import rows_of_texts
from saebench.fingerprint import digest

if TYPE_CHECKING:
    from saebench.data.packing import PackedRows

LETTERS = "abcdefghijklmnopqrstuvwxyz"
QUESTION = " has the first letter:"
TEST_SHARE = 0.2
"""Share of the vocabulary's words that are held out."""
CONTEXT = 4096
"""No prompt is cut: the longest one has a few hundred tokens."""

_WORD = re.compile(r" ?[A-Za-z]{2,}")


@dataclass(frozen=True)
class Word:
    """One token of the vocabulary."""

    text: str
    """As the tokenizer writes it, its leading space included."""
    key: bytes
    """SHA-256 over the seed and the word in lower case without its space: its place in the seeded order."""

    @property
    def name(self) -> str:
        """Without the space."""
        return self.text.strip()

    @property
    def letter(self) -> int:
        """Its first letter, 0 for a."""
        return LETTERS.index(self.name[0].lower())

    @property
    def example(self) -> str:
        """A line that shows question and answer."""
        return f"{self.text}{QUESTION} {self.name[0].upper()}"


@dataclass(frozen=True, eq=False)
class Prompts:
    """Words of one side of the split, each at the end of a prompt that shows the question for other words.

    Attributes:
        words: in the order of the rows.
        texts: the prompts, which end with the word: what follows it cannot change what the model makes of it.
        letters: int64 `[n]`, the first letter of each.
    """

    words: tuple[Word, ...]
    texts: tuple[str, ...]

    @property
    def letters(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        return np.array([word.letter for word in self.words], dtype=np.int64)

    def fingerprint(self) -> str:
        """32 hex digits over the texts."""
        return digest(list(self.texts))

    def rows(self, tokenizer: Any, tokenizer_hash: str) -> PackedRows:
        """One prompt a row; the last unmasked token is the word."""
        return rows_of_texts(
            self.texts,
            tokenizer,
            tokenizer_hash=tokenizer_hash,
            context=CONTEXT,
            ids=[word.text for word in self.words],
            name="first letters",
            licence="words of the model's own vocabulary",
        )


@dataclass(frozen=True)
class WordSets:
    """Training and held-out words of a vocabulary."""

    train: Prompts
    test: Prompts
    found: tuple[int, ...]
    """Words of the vocabulary by first letter, before any cap."""

    def fingerprint(self) -> str:
        """32 hex digits over both sides."""
        return digest([self.train.fingerprint(), self.test.fingerprint()])


def vocabulary_words(tokenizer: Any, seed: int) -> list[Word]:
    """All words of a vocabulary in their seeded order, one form of each."""
    special = set(tokenizer.all_special_ids)
    ids = [number for number in range(len(tokenizer)) if number not in special]
    anchor = tokenizer("a", add_special_tokens=False)["input_ids"][-1]
    # A token by itself loses its leading space in some tokenizers; behind another token it keeps it.
    start = len(_decode(tokenizer, [[anchor]])[0])
    texts = [text[start:] for text in _decode(tokenizer, [[anchor, number] for number in ids])]
    held = [(number, text) for number, text in zip(ids, texts, strict=True) if _WORD.fullmatch(text)]
    if not held:
        return []
    lines = tokenizer([f"\n{text}" for _, text in held], add_special_tokens=False)["input_ids"]
    forms: dict[str, tuple[bytes, str]] = {}
    for (number, text), line in zip(held, lines, strict=True):
        if line[-1] != number:
            continue
        name = text.strip().lower()
        form = (_key(seed, text), text)
        forms[name] = min(form, forms.get(name, form))
    return sorted((Word(text, _key(seed, name)) for name, (_, text) in forms.items()), key=lambda word: word.key)


def word_sets(tokenizer: Any, *, train_words: int, test_words: int, examples: int, seed: int) -> WordSets:
    """Both sides of the split with their prompts.

    Args:
        tokenizer: a Hugging Face tokenizer.
        train_words, test_words: at most so many words of each letter.
        examples: other words of the same side, answered, before the word.
        seed: the evaluation seed.

    Raises:
        DataError: the tokenizer has no special token that can begin a text.
    """
    begin_and_pad(tokenizer)
    words = vocabulary_words(tokenizer, seed)
    tested = [int.from_bytes(word.key[:8]) < TEST_SHARE * 2**64 for word in words]
    test = _capped([word for word, held in zip(words, tested, strict=True) if held], test_words)
    train = _capped([word for word, held in zip(words, tested, strict=True) if not held], train_words)
    found = np.bincount([word.letter for word in words], minlength=len(LETTERS))
    return WordSets(_prompts(train, examples, seed), _prompts(test, examples, seed), tuple(found.tolist()))


def _prompts(words: Sequence[Word], examples: int, seed: int) -> Prompts:
    lines = [word.example for word in words]
    shown = min(examples, max(len(words) - 1, 0))
    texts = []
    for place, word in enumerate(words):
        draw = np.random.default_rng(list(_key(seed, f"examples for {word.name.lower()}")))
        others: list[int] = draw.choice(len(words) - 1, size=shown, replace=False).tolist() if shown else []
        texts.append("\n".join(["", *(lines[other + (other >= place)] for other in others), word.text]))
    return Prompts(tuple(words), tuple(texts))


def _capped(words: Sequence[Word], most: int) -> list[Word]:
    """At most `most` words of each letter, in the given order; letters in turn."""
    by_letter: list[list[Word]] = [[] for _ in LETTERS]
    for word in words:
        by_letter[word.letter].append(word)
    return [word for members in by_letter for word in members[:most]]


def _decode(tokenizer: Any, sequences: list[list[int]]) -> list[str]:
    decoded: list[str] = tokenizer.batch_decode(sequences, clean_up_tokenization_spaces=False)
    return decoded


def _key(seed: int, text: str) -> bytes:
    return hashlib.sha256(f"{seed}:{text}".encode()).digest()
