"""Texts of random letters, a dictionary with a latent for each letter, and judges whose wit is known."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from saebench.activations.sets import ActivationSet
from saebench.dictionaries.codes import Codes, DenseCodes
from saebench.dictionaries.contract import Context, Traits
from saebench.dictionaries.fixed import FixedDictionary
from saebench.fakes import FakeSubject, bench_of
from saebench.judges import Message
from saebench.lm.fakes import tiny_model
from saebench.tasks.autointerp.params import AutointerpParams
from saebench.tasks.autointerp.task import Autointerp
from saebench.tasks.contract import Scores
from saebench.tasks.summary import summarise

ROWS, CONTEXT, VOCAB = 60, 64, 64
LETTERS = "abcdefghijklmnopqrstuvwxyz"
ALWAYS, SELDOM = 60, 61
"""Coordinates that fire on every token, and on three alone."""


@dataclass(eq=False)
class Letters(FixedDictionary):
    """Coordinates of the activation, in some order, as latents."""

    kind: ClassVar[str] = "letters"
    chosen: tuple[int, ...]
    sign: float = 1.0

    def __post_init__(self) -> None:
        self.describe(VOCAB, len(self.chosen))
        self.traits = Traits(signed=self.sign < 0)

    def encode(self, x: torch.Tensor, context: Context | None = None) -> Codes:
        return DenseCodes(self.sign * x[:, list(self.chosen)])

    def decode(self, codes: Codes, x: torch.Tensor | None = None) -> torch.Tensor:
        return codes.project(self.atoms)

    @property
    def atoms(self) -> torch.Tensor:
        return self.sign * torch.eye(VOCAB)[list(self.chosen)]


class LetterWorld:
    """A tiny model's tokenizer of letters; a token's activation is its letter's coordinate, of a random size."""

    def __init__(self) -> None:
        self.lm = tiny_model()
        ids = torch.tensor(self.lm.tokenizer(LETTERS)["input_ids"])
        self.ids = tuple(ids.tolist())
        draw = torch.Generator().manual_seed(0)
        tokens = ids[torch.randint(len(ids), (ROWS, CONTEXT), generator=draw)]
        x = torch.zeros(ROWS, CONTEXT, VOCAB)
        x.scatter_(2, tokens[..., None], 1 + torch.rand(ROWS, CONTEXT, 1, generator=draw))
        x[..., ALWAYS] = 1
        x[0, 3, SELDOM] = x[1, 30, SELDOM] = x[2, 40, SELDOM] = 1
        mask = torch.ones(ROWS, CONTEXT, dtype=torch.bool)
        mask[:, 0] = False
        documents = torch.arange(ROWS)[:, None].expand(ROWS, CONTEXT)
        self.data = ActivationSet.from_tensor(x, mask, documents)
        self.data.rows.tokens[:] = tokens.numpy()

    def letters(self, letters: str = LETTERS) -> Letters:
        """A dictionary of these letters."""
        return Letters(tuple(self.ids[LETTERS.index(letter)] for letter in letters))

    def scores(
        self, dictionaries: Sequence[Any], judge: str, *, seed: int = 0, rows_per_block: int = 4, **settings: Any
    ) -> list[Scores]:
        """Scores of each."""
        params = AutointerpParams(judge=judge, **{"latents": 12, **settings})
        bench = bench_of(
            self.lm, params, eval_seed=seed, rows_per_block=rows_per_block, source=lambda request: self.data
        )
        subjects = [FakeSubject(one, str(place)) for place, one in enumerate(dictionaries)]
        made = Autointerp().run(subjects, bench)
        assert not bench.failures, bench.failures
        return [made[subject.fingerprint] for subject in subjects]


def metrics(scores: Scores) -> dict[str, Any]:
    """Every metric of the card."""
    return summarise(Autointerp.card, scores)


def values(scores: Scores) -> dict[str, float | None]:
    return {name: metric.value for name, metric in metrics(scores).items()}


Wit = Callable[[list[Message]], str]


def asked(messages: list[Message]) -> str:
    """explain, detect or fuzz."""
    told = messages[1].content
    return "fuzz" if "at random" in told else "detect" if "Description:" in told else "explain"


def excerpts(messages: list[Message]) -> list[str]:
    return re.findall(r"^\d+\. (.*)$", messages[1].content, re.MULTILINE)


def knowing(messages: list[Message]) -> str:
    """Sees the marked letter, and finds it."""
    if asked(messages) == "explain":
        marked = re.findall("<<(.*?)>>", " ".join(excerpts(messages)))
        return f"the letter {Counter(''.join(marked)).most_common(1)[0][0]}"
    letter = re.findall("the letter (.)", messages[1].content)[0]
    found = [
        set("".join(re.findall("<<(.*?)>>", text))) == {letter} if asked(messages) == "fuzz" else letter in text
        for text in excerpts(messages)
    ]
    return ", ".join(str(number) for number, yes in enumerate(found, start=1) if yes) or "None"


def saying(words: str) -> Wit:
    """Explains like the knowing one, and then always says the same."""
    return lambda messages: knowing(messages) if asked(messages) == "explain" else words


def recorded(folder: Path) -> Path:
    """The one file of exchanges in a cache."""
    (file,) = (folder / "judges").glob("*.jsonl")
    return file
