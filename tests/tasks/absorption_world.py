"""A model whose word embeddings are letter direction + word direction, all orthonormal, and dictionaries on them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from saebench.dictionaries.codes import Codes, compact
from saebench.dictionaries.contract import Context, Dictionary, Traits
from saebench.dictionaries.fixed import FixedDictionary
from saebench.lm.fakes import tiny_model
from saebench.lm.model import LanguageModel
from saebench.tasks.absorption.words import LETTERS, QUESTION

SITE = "blocks.0.hook_resid_pre"
"""The embeddings themselves."""
WORDS = 18
"""Of each letter."""
LETTER, WORD = 3.0, 2.0
"""Length of a word's embedding along its letter and along itself."""
SPECIAL = ["<pad>", "<bos>", "<eos>", "<unk>"]


def vocabulary() -> list[str]:
    """The words, each with a leading space."""
    draw = random.Random(0)
    made = []
    for letter in LETTERS:
        rest = {"".join(draw.choices("bcdfgklmnprstvz", k=4)) for _ in range(2 * WORDS)}
        made += [f" {letter}{tail}" for tail in sorted(rest)[:WORDS]]
    return made


def word_tokenizer(words: list[str], extra: tuple[str, ...] = ()) -> Any:
    """One token a word with its leading space; the pieces of the prompt are tokens of their own."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pieces = [*SPECIAL, "a", "word", "\n", ":", *(QUESTION.rstrip(":").split(" ")[1:])]
    pieces = [piece if piece in {*SPECIAL, "a", "word", "\n", ":"} else f" {piece}" for piece in pieces]
    known = list(dict.fromkeys([*pieces, *(f" {letter.upper()}" for letter in LETTERS), *words, *extra]))
    inner = Tokenizer(models.WordLevel({token: index for index, token in enumerate(known)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex(r"\n|:| ?[A-Za-z]+"), behavior="isolated")
    inner.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
    )


@dataclass(frozen=True)
class World:
    """The model and the directions that its embeddings are made of."""

    lm: LanguageModel
    letters: torch.Tensor
    """`[26, d]`."""
    words: torch.Tensor
    """`[26 * WORDS, d]`, letter by letter."""


def make_world() -> World:
    words = vocabulary()
    tokenizer = word_tokenizer(words)
    width = 4 * -(-(len(LETTERS) + len(words)) // 4)
    hf = tiny_model("llama", n_layers=2, d_model=width, vocab=len(tokenizer)).hf
    basis, _ = torch.linalg.qr(torch.randn(width, width, generator=torch.Generator().manual_seed(1)))
    letters, own = basis[:26], basis[26 : 26 + len(words)]
    with torch.no_grad():
        for weight in hf.model.layers.parameters():
            # Blocks that add little, so that the letter stays in the residual stream.
            weight.mul_(0.1 if weight.ndim == 2 else 1.0)
        for place, word in enumerate(words):
            row = tokenizer.convert_tokens_to_ids(word)
            hf.get_input_embeddings().weight[row] = LETTER * letters[place // WORDS] + WORD * own[place]
    return World(LanguageModel(hf, tokenizer, name="letters"), letters, own)


@dataclass(eq=False)
class Spelled(FixedDictionary):
    """Latents 0 to 25 read the letters, the others the words.

    On words that are `flagged` the letter's latent is silent. With `absorbing` their own latent writes letter and word
    together, else the letter is lost there.
    """

    kind: ClassVar[str] = "spelled"
    letters: torch.Tensor
    words: torch.Tensor
    flagged: torch.Tensor
    absorbing: bool = True

    def __post_init__(self) -> None:
        self.describe(self.letters.shape[1], len(self.letters) + len(self.words))
        self.traits = Traits()

    def encode(self, x: torch.Tensor, context: Context | None = None) -> Codes:
        words = x @ self.words.T
        words = torch.where(words > WORD / 2, words, 0.0)
        flag = (words[:, self.flagged] > 0).any(1, keepdim=True)
        letters = x @ self.letters.T
        letters = torch.where((letters > LETTER / 2) & ~flag, letters, 0.0)
        return compact(torch.cat([letters, words], dim=1))

    def decode(self, codes: Codes, x: torch.Tensor | None = None) -> torch.Tensor:
        return codes.project(self.atoms)

    @property
    def atoms(self) -> torch.Tensor:
        own = torch.arange(len(self.words)) // WORDS
        share = LETTER / WORD * self.flagged.float().unsqueeze(1) * float(self.absorbing)
        return torch.cat([self.letters, self.words + share * self.letters[own]])


@dataclass(eq=False)
class Rearranged(FixedDictionary):
    """Another dictionary with its latents in another order, codes divided and atoms multiplied by numbers."""

    kind: ClassVar[str] = "rearranged"
    of: Dictionary
    order: torch.Tensor
    factors: torch.Tensor

    def __post_init__(self) -> None:
        self.describe(self.of.d_in, self.of.d_dict)
        self.traits = self.of.traits

    def encode(self, x: torch.Tensor, context: Context | None = None) -> Codes:
        return compact((self.of.encode(x).dense() / self.factors)[:, self.order])

    def decode(self, codes: Codes, x: torch.Tensor | None = None) -> torch.Tensor:
        return codes.project(self.atoms)

    @property
    def atoms(self) -> torch.Tensor:
        atoms = self.of.atoms
        assert atoms is not None
        return (atoms * self.factors.unsqueeze(1))[self.order]


@dataclass(eq=False)
class Joined(FixedDictionary):
    """The latents of one dictionary, then those of another; the reconstruction is the sum."""

    kind: ClassVar[str] = "joined"
    first: Dictionary
    second: Dictionary

    def __post_init__(self) -> None:
        self.describe(self.first.d_in, self.first.d_dict + self.second.d_dict)
        self.traits = Traits()

    def encode(self, x: torch.Tensor, context: Context | None = None) -> Codes:
        return compact(torch.cat([self.first.encode(x).dense(), self.second.encode(x).dense()], dim=1))

    def decode(self, codes: Codes, x: torch.Tensor | None = None) -> torch.Tensor:
        return codes.project(self.atoms)

    @property
    def atoms(self) -> torch.Tensor:
        rows = [self.first.atoms, self.second.atoms]
        return torch.cat([one for one in rows if one is not None])
