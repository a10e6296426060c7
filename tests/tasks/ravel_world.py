"""A language model whose knowledge is a table, with the two passes of `ravel@1` in closed form.

One character is a token. Letters are entities: at a letter the site holds the entity's two values, one-hot; everywhere
else it holds nothing. Behind "(" the model says the first value of the entity that it has read, behind a quotation mark
the second. So the direction of a value is known exactly, and with it the dictionary that must score 1.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import torch

from saebench.baselines.controls import Identity
from saebench.dictionaries.codes import Codes, DenseCodes
from saebench.dictionaries.contract import Context, Traits
from saebench.dictionaries.fixed import FixedDictionary
from saebench.lm.fakes import tiny_tokenizer

SITE = "blocks.1.hook_resid_post"
ENTITIES = "etaoinshrdlcumwfgypbvkjx"
VALUES = {"(": "1234", '"': "5678"}
WIDTH = 8
"""Four values of each attribute."""

LETTERS = {letter: (index % 4, (index // 4 + index) % 4) for index, letter in enumerate(ENTITIES)}
"""Letter to the places of its two values."""


class TableModel:
    """The part of a language model that the task and the store ask for."""

    name = "table"
    fingerprint = "table"
    weights_hash = "table"
    tokenizer_hash = "table"
    device = torch.device("cpu")
    dtype = torch.float32

    def __init__(self) -> None:
        self.tokenizer = tiny_tokenizer()
        self.passes = 0

    def id(self, character: str) -> int:
        return int(self.tokenizer.convert_tokens_to_ids(character))

    def site(self, name: str) -> Any:
        return SimpleNamespace(name=name, width=WIDTH, layer=1)

    def entry_site(self, name: str) -> None:
        return None

    def capture(self, tokens: torch.Tensor, sites: list[str]) -> dict[str, torch.Tensor]:
        self.passes += 1
        held = torch.zeros(*tokens.shape, WIDTH)
        for letter, (first, second) in LETTERS.items():
            here = tokens == self.id(letter)
            held[..., first] += here
            held[..., 4 + second] += here
        return dict.fromkeys(sites, held)

    def resume(self, site: str, acts: torch.Tensor, tokens: Any, entry: Any = None, positions: Any = None) -> Any:
        read = acts.cumsum(1)
        logits = torch.full((*tokens.shape, 64), -10.0)
        for place, (mark, values) in enumerate(VALUES.items()):
            asked = (tokens == self.id(mark)).unsqueeze(2)
            said = torch.full_like(logits, -10.0)
            ids = torch.tensor([self.id(value) for value in values])
            said[:, :, ids] = 20 * read[:, :, 4 * place : 4 * place + 4] - 10
            logits = torch.where(asked, said, logits)
        return logits if positions is None else logits[:, positions]

    def logits(self, tokens: torch.Tensor, positions: Any = None) -> torch.Tensor:
        self.passes += 1
        return self.resume(SITE, self.capture(tokens, [SITE])[SITE], tokens, None, positions)


def write_facts(folder: Path, kind: str, table: dict[str, dict[str, str]], templates: dict[str, dict[str, str]]) -> str:
    """RAVEL's four files. `templates`: attribute to text to side. Every second entity is tested."""
    sides = {name: ("train", "test")[index % 2] for index, name in enumerate(sorted(table))}
    content: dict[str, Any] = {
        "entity_attributes": table,
        "attribute_to_prompts": {attribute: list(texts) for attribute, texts in templates.items()},
        "entity_to_split": sides,
        "prompt_to_split": {text: side for texts in templates.values() for text, side in texts.items()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    for part, value in content.items():
        (folder / f"ravel_{kind}_{part}.json").write_text(json.dumps(value))
    return f"{folder}#{kind}"


def table_facts(folder: Path) -> str:
    """Everything that `TableModel` knows, asked in a word more on the test side."""
    table = {
        letter: {"first": VALUES["("][first], "second": VALUES['"'][second]}
        for letter, (first, second) in LETTERS.items()
    }
    templates = {
        "first": {"%s(": "train", "0 %s-(": "test"},
        "second": {'%s"': "train", '0 %s-"': "test"},
    }
    return write_facts(folder, "letter", table, templates)


@dataclass(eq=False)
class Rotated(FixedDictionary):
    """Codes `x rows^T` for an orthonormal matrix: loses nothing, and latent i is direction i."""

    kind: ClassVar[str] = "rotated"
    rows: torch.Tensor

    def __post_init__(self) -> None:
        self.describe(self.rows.shape[1], self.rows.shape[0])
        self.traits = Traits(signed=True)

    def encode(self, x: torch.Tensor, context: Context | None = None) -> Codes:
        return DenseCodes(x @ self.rows.T)

    def decode(self, codes: Codes, x: torch.Tensor | None = None) -> torch.Tensor:
        return codes.project(self.rows)

    @property
    def atoms(self) -> torch.Tensor:
        return self.rows


def oracle() -> Identity:
    """One latent a value."""
    return Identity(WIDTH)


def entangled(seed: int = 0) -> Rotated:
    """Every latent a mixture of both attributes."""
    drawn = torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(seed))
    return Rotated(torch.linalg.qr(drawn).Q)
