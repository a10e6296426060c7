"""Shared artefacts: made once, whoever asks, and made again when damaged."""

from __future__ import annotations

import os

import numpy as np
import pytest

from saebench.activations.artefacts import ArtefactStore
from saebench.activations.last_tokens import last_tokens
from saebench.data.text_rows import rows_of_texts
from saebench.errors import DataError
from saebench.lm.fakes import tiny_model
from saebench.progress import Silent


class Maker:
    def __init__(self, size: int = 4) -> None:
        self.calls = 0
        self.size = size

    def __call__(self):
        self.calls += 1
        return {"numbers": np.arange(self.size, dtype=np.float64), "words": np.array(["a", "longer"])}


def test_an_artefact_is_made_once_also_for_another_process(tmp_path):
    make = Maker()
    for _ in range(2):
        store = ArtefactStore(tmp_path)
        for _ in range(2):
            found = store.get({"what": 1}, make)
            assert found["numbers"].tolist() == [0, 1, 2, 3]
            assert found["words"].tolist() == ["a", "longer"]
    assert make.calls == 1
    ArtefactStore(tmp_path).get({"what": 2}, make)
    assert make.calls == 2


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: data[:-1]])
def test_a_damaged_file_is_made_again(tmp_path, damage):
    make = Maker()
    ArtefactStore(tmp_path).get({"what": 1}, make)
    (file,) = tmp_path.glob("*.npz")
    file.write_bytes(damage(file.read_bytes()))
    assert ArtefactStore(tmp_path).get({"what": 1}, make)["numbers"].tolist() == [0, 1, 2, 3]
    assert make.calls == 2


def test_a_failing_maker_leaves_nothing(tmp_path):
    def fail():
        raise RuntimeError("no")

    store = ArtefactStore(tmp_path)
    with pytest.raises(RuntimeError):
        store.get({"what": 1}, fail)
    assert not list(tmp_path.glob("*.npz"))
    assert store.get({"what": 1}, Maker())["numbers"].tolist() == [0, 1, 2, 3]


def test_the_least_recently_used_goes_first(tmp_path):
    store = ArtefactStore(tmp_path, max_bytes=25_000)
    for number in range(2):
        store.get({"what": number}, Maker(1000))
    files = {file.name: file for file in tmp_path.glob("*.npz")}
    assert len(files) == 2
    oldest, newest = sorted(files.values(), key=lambda file: file.stat().st_mtime)
    os.utime(oldest, (2e9, 2e9))
    store.get({"what": 2}, Maker(1000))
    assert oldest.exists()
    assert not newest.exists()


@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt_neox", "gemma"])
def test_the_last_token_is_that_of_the_text_alone(family):
    """Whatever shares the batch: equal to a pass over the text's own tokens."""
    lm = tiny_model(family, n_layers=2, d_model=16)
    texts = ["a", "some words", "more words than that", "x" * 40]
    rows = rows_of_texts(
        texts, lm.tokenizer, tokenizer_hash="t", context=24, ids=list("abcd"), name="toy", licence="none"
    )
    site = "blocks.1.hook_resid_post"
    found = last_tokens(lm, rows, site, Silent())
    import torch

    for index in range(len(texts)):
        length = 1 + int(rows.mask[index].sum())
        alone = lm.capture(torch.from_numpy(rows.tokens[index : index + 1, :length].astype(np.int64)), [site])[site]
        assert found[index] == pytest.approx(alone[0, -1].numpy(), abs=1e-4)


def test_a_text_without_a_token_is_refused():
    lm = tiny_model("llama", n_layers=1, d_model=8)
    rows = rows_of_texts(
        ["word", ""], lm.tokenizer, tokenizer_hash="t", context=8, ids=["a", "b"], name="toy", licence="none"
    )
    with pytest.raises(DataError, match="1 texts have no token that counts, the first is 1"):
        last_tokens(lm, rows, "blocks.0.hook_resid_post", Silent())
