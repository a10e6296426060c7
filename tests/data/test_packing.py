import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_tokenizers import by_byte, by_word

from saebench.data import MASK_RULE, DataSpec, PackedRows, load_rows
from saebench.data.texts import Document
from saebench.errors import DataError

TOKENIZER = by_byte()
BEGIN, END, PAD = 0, 1, 2


def corpus(folder: Path, texts: list[str], name: str = "corpus.jsonl") -> str:
    path = folder / name
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return str(path)


def rows_of(source: str, tokenizer: Any = TOKENIZER, *, seed: int = 0, hash_: str = "toy", **spec: Any) -> PackedRows:
    return load_rows(
        DataSpec(source=source, **{"part": "train", "context": 16, **spec}), tokenizer, tokenizer_hash=hash_, seed=seed
    )


def read_back(rows: PackedRows) -> dict[str, list[int]]:
    """Unmasked tokens of each document, by its content hash."""
    return {
        hash_: rows.tokens[rows.mask & (rows.documents == index)].tolist()
        for index, hash_ in enumerate(rows.document_hashes)
    }


def sentences(count: int) -> list[str]:
    return [f"Sentence {number} is about {number**2} things." for number in range(count)]


documents = st.lists(st.text(st.characters(codec="utf-8"), max_size=60), min_size=1, max_size=12)


@settings(max_examples=150, deadline=None)
@given(texts=documents, context=st.integers(2, 40), cut=st.none() | st.integers(1, 20), seed=st.integers(0, 3))
def test_unmasked_tokens_of_a_document_are_its_tokens(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], context: int, cut: int | None, seed: int
) -> None:
    expected = {}
    for text in texts:
        document = Document("", text)
        if text.strip() and document.part == "train":
            expected.setdefault(document.hash, [4 + ALPHABET.index(letter) for letter in letters(text)][:cut])
    source = corpus(tmp_path_factory.mktemp("texts"), texts)
    if not expected:
        with pytest.raises(DataError):
            rows_of(source, context=context)
        return
    rows = rows_of(source, context=context, tokens_per_document=cut, seed=seed)
    assert read_back(rows) == expected
    assert rows.n_tokens == sum(map(len, expected.values()))
    assert (rows.tokens[:, 0] == BEGIN).all()
    assert not rows.mask[:, 0].any()
    assert rows.mask.any(axis=1).all(), "no row without a token"
    assert (rows.documents[rows.mask] >= 0).all()
    assert (rows.documents[~rows.mask] == -1).all()
    assert set(rows.tokens[~rows.mask].tolist()) <= {BEGIN, PAD}
    for row, kept in zip(rows.documents, rows.mask, strict=True):
        starts = np.flatnonzero(kept & (row != np.roll(row, 1)))
        assert not kept[starts - 1].any(), "an inserted token stands before the first token of a document in a row"
    assert (np.diff(rows.documents[rows.mask]) >= 0).all(), "documents follow one another"


ALPHABET = sorted(TOKENIZER.get_vocab(), key=TOKENIZER.get_vocab().get)[4:]


def letters(text: str) -> list[str]:
    """The byte-level letters of a text: bytes that are printable in Latin-1 stand for themselves, others follow."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in plain]
    names = {byte: chr(byte) for byte in plain} | {byte: chr(256 + index) for index, byte in enumerate(rest)}
    return [names[byte] for byte in text.encode()]


def test_a_worked_example(tmp_path: Path) -> None:
    tokenizer = by_word("a", "b", "c", "d", "e")
    source = corpus(tmp_path, ["a b c d e", "e d"])
    rows = rows_of(source, tokenizer, context=4)
    order = [hash_ == Document("", "e d").hash for hash_ in rows.document_hashes]
    assert order in ([False, True], [True, False])
    a, b, c, d, e = range(2, 7)
    expected = {
        False: [[0, a, b, c], [0, d, e, 0], [0, e, d, 0]],
        True: [[0, e, d, 0], [0, a, b, c], [0, d, e, 0]],
    }
    assert rows.tokens.tolist() == expected[order[0]]


@pytest.mark.parametrize("budget", [1, 15, 16, 100, 333])
def test_a_budget_of_tokens_is_met_exactly(tmp_path: Path, budget: int) -> None:
    assert rows_of(corpus(tmp_path, sentences(40)), tokens=budget).n_tokens == budget


def test_a_corpus_smaller_than_its_budget_gives_what_it_has(tmp_path: Path) -> None:
    source = corpus(tmp_path, sentences(20))
    assert rows_of(source, tokens=10**6).n_tokens == rows_of(source).n_tokens


def test_special_ids_in_a_text_never_count_nor_do_documents_of_them_alone(tmp_path: Path) -> None:
    tokenizer = by_word("known")
    texts = ["known strange known", "strange stranger", "known"]
    assert {Document("", text).part for text in texts} == {"train"}
    rows = rows_of(corpus(tmp_path, texts), tokenizer)
    assert sorted(read_back(rows).values()) == [[2], [2, 2]]
    assert set(rows.tokens[~rows.mask].tolist()) == {0, 1}
    with pytest.raises(DataError, match="no document with a token that counts"):
        rows_of(corpus(tmp_path, ["strange stranger"], "other.jsonl"), tokenizer)


def test_the_name_of_a_special_token_in_a_text_is_plain_text(tmp_path: Path) -> None:
    text = "say <s> and </s>"
    assert Document("", text).part == "train"
    rows = rows_of(corpus(tmp_path, [text]), context=64)
    assert rows.n_tokens == len(text)
    assert TOKENIZER.decode(rows.tokens[rows.mask]) == text


def test_end_of_text_begins_a_text_where_no_other_token_can(tmp_path: Path) -> None:
    rows = rows_of(corpus(tmp_path, sentences(3)), by_byte(eos_token="</s>"))
    assert (rows.tokens[:, 0] == END).all()
    assert rows.packing["pad_id"] == END
    with pytest.raises(DataError, match=r"neither a begin-of-text nor an end-of-text.*set bos_token"):
        rows_of(corpus(tmp_path, sentences(3)), by_byte(pad_token="<pad>"))


def test_train_and_evaluation_documents_are_disjoint_and_together_all(tmp_path: Path) -> None:
    texts = sentences(300)
    copies = [f"  {text.replace(' ', '   ')} " for text in texts]
    source = corpus(tmp_path, [*texts, *copies])
    train = set(rows_of(source).document_hashes)
    held_out = set(rows_of(source, part="eval").document_hashes)
    assert train.isdisjoint(held_out)
    assert train | held_out == {Document("", text).hash for text in texts}
    assert 15 <= len(held_out) <= 45, "about one in ten"


def test_seeds_choose_different_documents_and_the_same_seed_the_same_rows(tmp_path: Path) -> None:
    source = corpus(tmp_path, sentences(200))
    first, again, other = (rows_of(source, documents=20, seed=seed) for seed in (0, 0, 1))
    assert first.fingerprint == again.fingerprint
    assert (first.tokens == again.tokens).all()
    assert len(first.document_ids) == len(other.document_ids) == 20
    assert len(set(first.document_hashes) & set(other.document_hashes)) < 10


def test_a_larger_budget_only_adds_documents(tmp_path: Path) -> None:
    source = corpus(tmp_path, sentences(100))
    few, many = rows_of(source, documents=5), rows_of(source, documents=15)
    assert many.document_hashes[:5] == few.document_hashes


def test_the_fingerprint_tells_content_from_circumstance(tmp_path: Path) -> None:
    texts = sentences(30)
    base = rows_of(corpus(tmp_path, texts))
    moved = rows_of(corpus(tmp_path, [*reversed(texts), texts[0], "  "], "renamed.jsonl"))
    assert moved.fingerprint == base.fingerprint, "order, copies, empty documents and file names are circumstance"
    changed_text = [text.replace("things", "thongs") for text in texts]
    spaced = [text.replace("is about", "is  about") for text in texts]
    others = [
        rows_of(corpus(tmp_path, changed_text, "a.jsonl")),
        rows_of(corpus(tmp_path, spaced, "b.jsonl")),
        rows_of(corpus(tmp_path, texts), context=17),
        rows_of(corpus(tmp_path, texts), hash_="another tokenizer"),
        rows_of(corpus(tmp_path, texts), part="eval"),
        rows_of(corpus(tmp_path, texts), tokens_per_document=5),
        rows_of(corpus(tmp_path, texts), seed=1),
    ]
    assert len({base.fingerprint, *(rows.fingerprint for rows in others)}) == 1 + len(others)


def test_rows_say_what_they_are(tmp_path: Path) -> None:
    rows = rows_of(corpus(tmp_path, sentences(30)))
    assert rows.name == "corpus.jsonl/train"
    assert rows.licence == "not stated (local file)"
    assert rows.mask_rule == MASK_RULE
    assert rows.packing["context"] == rows.context == 16
    assert (rows.tokens.dtype, rows.mask.dtype, rows.documents.dtype) == (np.int32, np.bool_, np.int32)
    assert len(rows.document_ids) == len(rows.document_hashes)


@pytest.mark.parametrize("wrong", [{"context": 1}, {"part": "test"}, {"tokens": 0}, {"documents": -1}, {"split": "x"}])
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DataSpec(**{"source": "news", "part": "train", **wrong})
