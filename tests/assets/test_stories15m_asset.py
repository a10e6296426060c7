"""stories15M as a Hugging Face folder: it tells stories, and its tokenizer merges as llama2.c does."""

import math
from pathlib import Path
from typing import Any

import pytest

from saebench.assets import ASSETS, fetch
from saebench.assets.archives import extract
from saebench.assets.llama2c import MARK, _pieces
from saebench.assets.registries import download
from saebench.progress import Silent

pytestmark = pytest.mark.slow

STORY = (
    "Once upon a time, there was a little dog named Max. Max liked to play with his red ball in the park. "
    "One day, the ball rolled under a big tree. Max was sad. A kind bird saw Max and helped him. "
    "They became best friends and played together every day."
)


@pytest.fixture(scope="module")
def loaded() -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = fetch("stories15m")
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(), AutoTokenizer.from_pretrained(
        folder
    )


def test_it_reads_and_tells_stories(loaded: tuple[Any, Any]) -> None:
    import torch

    model, tokenizer = loaded
    ids = tokenizer(STORY, return_tensors="pt").input_ids
    with torch.no_grad():
        loss = float(model(ids, labels=ids).loss)
        start = tokenizer("Once upon a time", return_tensors="pt").input_ids
        told = tokenizer.decode(model.generate(start, max_new_tokens=12, do_sample=False)[0], skip_special_tokens=True)
    assert loss < 2.0
    assert told.startswith("Once upon a time, there was a little girl named")


def test_ids_are_those_of_the_llama_tokenizer(loaded: tuple[Any, Any]) -> None:
    tokenizer = loaded[1]
    assert tokenizer("Hello world")["input_ids"] == [1, 15043, 3186]
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id) == (1, 2, 0)


def test_it_merges_like_llama2c(loaded: tuple[Any, Any], tmp_path: Path) -> None:
    """llama2.c, ``run.c``: characters (or bytes of unknown ones), then merge the best-scored neighbours until none."""
    asset = ASSETS.get("stories15m")
    extract(asset, download(asset, tmp_path, Silent(), "needs the network once"), tmp_path)
    data = (tmp_path / "llama2.data").read_bytes()[60_816_028:]
    pieces, scores = _pieces(data, 32_000, tmp_path)
    ids = {piece: index for index, piece in enumerate(pieces)}

    def encode(text: str) -> list[int]:
        parts: list[int] = []
        for character in MARK + text.replace(" ", MARK):
            parts += [ids[character]] if character in ids else [byte + 3 for byte in character.encode()]
        while True:
            best, place = -math.inf, -1
            for at in range(len(parts) - 1):
                merged = ids.get(pieces[parts[at]] + pieces[parts[at + 1]])
                if merged is not None and scores[merged] > best:
                    best, place = scores[merged], at
            if place < 0:
                return parts
            parts[place : place + 2] = [ids[pieces[parts[place]] + pieces[parts[place + 1]]]]

    tokenizer = loaded[1]
    for text in [STORY, "naïve café 你好 😀\n\ttab", "  two  blanks ", "1234.5", "ÀÉÎ ŒŒ ﬁ", "don't"]:
        found = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert found == encode(text)
        assert tokenizer.decode(found) == text
