from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saebench.data import Census, Document
from saebench.data.selection import select
from saebench.data.texts import Corpus
from saebench.errors import DataError


class Given(Corpus):
    """A corpus of given texts."""

    def __init__(self, *texts: str) -> None:
        super().__init__("given", "none", "1")
        self.texts = texts

    def entries(self) -> Iterator[Document]:
        return (Document(str(number), text) for number, text in enumerate(self.texts))


def test_a_hash_is_of_the_words_not_of_their_spacing_or_composition() -> None:
    assert Document("1", "caf\u00e9  au\nlait").hash == Document("2", " cafe\u0301 au lait\t").hash
    assert Document("1", "Café").hash != Document("1", "café").hash
    # printf 'abc' | sha256sum
    assert Document("1", "abc").hash == "ba7816bf8f01cfea"


@given(st.text())
def test_the_part_is_a_function_of_the_content(text: str) -> None:
    assert Document("a", text).part == Document("b", f"\n{text} ").part


def test_one_document_in_ten_is_held_out() -> None:
    held_out = sum(Document("", f"document {number}").part == "eval" for number in range(20_000))
    assert 1900 < held_out < 2100


def test_empty_documents_and_copies_are_dropped_and_counted() -> None:
    corpus = Given("one", "", "two", " \n", "one ", "three")
    assert [document.id for document in corpus.documents()] == ["0", "2", "5"]
    held_out = sum(document.part == "eval" for document in corpus.documents())
    assert corpus.census() == Census(documents=3, eval_documents=held_out, characters=11, empty=2, duplicates=1)


def test_a_corpus_without_text_is_an_error_with_a_remedy() -> None:
    with pytest.raises(DataError, match=r"given: no document with text \(2 empty\) \(choose another"):
        list(Given("", "  ").documents())


def test_the_fingerprint_is_of_the_set_of_documents() -> None:
    assert Given("one", "two").fingerprint() == Given("two", "", "one", "two").fingerprint()
    assert Given("one", "two").fingerprint() != Given("one", "two", "three").fingerprint()


def test_a_corpus_that_has_nothing_for_a_part_says_so() -> None:
    assert Document("", "abc").part == "train"
    with pytest.raises(DataError, match=r"no document falls into part 'eval' .*more documents"):
        list(select(Given("abc"), "eval", 0))


def test_texts_are_read_in_portions_without_a_change_of_order(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = Given(*(f"document {number}" for number in range(100)))
    whole = [document.id for document in select(corpus, "train", 3)]
    monkeypatch.setattr("saebench.data.selection.PORTION", 40)
    assert [document.id for document in select(corpus, "train", 3)] == whole
    assert whole != sorted(whole, key=int)
