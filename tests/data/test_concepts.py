"""Concepts before and after a model reads them: splits, hard negatives, words, AxBench's own files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from saebench.data.axbench import axbench_concepts
from saebench.data.bag_of_words import BagOfWords
from saebench.data.concepts import Concept, Sizes, concepts
from saebench.data.read_concepts import read_concept
from saebench.errors import DataError
from saebench.lm.fakes import tiny_tokenizer

AXBENCH = Path(__file__).parents[3] / "shared" / "data" / "axbench_concept10"


def read(one: Concept, context: int = 12):
    return read_concept(one, tiny_tokenizer(), tokenizer_hash="t", context=context)


def spoken(texts: tuple[str, ...], spans: tuple | None, train_y: list[int], test_y: list[int]) -> Concept:
    n = len(train_y)
    return Concept(
        name="spoken",
        family="f",
        licence="none",
        texts=texts,
        hashes=tuple((f"h{row}",) for row in range(len(texts))),
        train=np.arange(n),
        y_train=np.array(train_y),
        test=np.arange(n, n + len(test_y)),
        y_test=np.array(test_y),
        hard=np.zeros(0, np.int64),
        spans=spans,
    )


def test_tokens_that_cover_the_words_are_marked():
    one = read(spoken(("on monday", "on it", "monday", "no"), (((3, 9),), (), ((0, 6),), ()), [1, 0], [1, 0]))
    # A token a character, after the inserted first position.
    assert one.marks.sum(1).tolist() == [6, 0, 6, 0]
    assert one.marks[0].tolist()[:4] == [False] * 4
    assert one.texts == ("on monday", "on it", "monday", "no")


def test_a_text_whose_words_are_cut_off_no_longer_counts():
    texts = ("we met on a monday", "monday we met", "never again", "monday", "no")
    spans = (((12, 18),), ((0, 6),), (), ((0, 6),), ())
    one = read(spoken(texts, spans, [1, 1, 0], [1, 0]))
    assert one.about["left_out"] == 1
    assert [one.texts[row][:6] for row in one.train] == ["monday", "never "]
    assert one.y_train.tolist() == [1, 0]


def test_a_class_without_a_text_to_read_is_refused_and_the_concept_named():
    with pytest.raises(DataError, match="spoken: a class has no test text"):
        read(spoken(("ab", "cd", "", "gh"), None, [1, 0], [1, 0]))


def test_what_is_fitted_on_has_an_identity_that_test_texts_do_not_change():
    one, other = (spoken(("ab", "cd", last, "gh"), None, [1, 0], [1, 0]) for last in ("ef", "eff"))
    assert read(one).lesson_fingerprint() == read(other).lesson_fingerprint()
    assert read(one).fingerprint() != read(other).fingerprint()
    turned = spoken(("ab", "cd", "ef", "gh"), None, [0, 1], [1, 0])
    assert read(one).lesson_fingerprint() != read(turned).lesson_fingerprint()


def test_a_bag_of_words_is_a_logistic_regression_on_counts():
    texts, y = ["a red apple", "the red bus red", "a green tree", "the green leaf"], np.array([1, 1, 0, 0])
    made = BagOfWords.fit(texts, y)
    assert made.vocabulary == ("apple", "bus", "green", "leaf", "red", "the", "tree")
    chances = made.probability(["red", "green", "unknown words", "red red"])
    assert chances[3] > chances[0] > chances[2] > chances[1]
    np.testing.assert_allclose(chances[2], 1 / (1 + np.exp(-made.offset)))


def axbench_rows(number: int, category: str, count: int, words: str) -> list[dict[str, object]]:
    return [
        {
            "input": "Say something.",
            "output": f"{words} {category} {number} {row}",
            "output_concept": f"about {number}" if number >= 0 else "EEEEE",
            "concept_genre": "text",
            "category": category,
            "concept_id": number,
        }
        for row in range(count)
    ]


def write_axbench(folder: Path, without_positives: bool = False) -> Path:
    train = axbench_rows(-1, "negative", 30, "plain")
    train += [] if without_positives else axbench_rows(0, "positive", 24, "boat")
    test = axbench_rows(0, "positive", 12, "ship") + axbench_rows(0, "negative", 12, "plain again")
    test += axbench_rows(0, "hard negative", 4, "boat show")
    for name, rows in (("train_data", train), ("latent_eval_data", test)):
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")
    return folder


def test_axbenchs_files_keep_their_split_and_their_hard_negatives(tmp_path):
    (one,) = concepts([f"axbench:{write_axbench(tmp_path)}"], Sizes(200, 200, 50), 0)
    assert (len(one.train), len(one.test), len(one.hard)) == (48, 24, 4)
    assert all("boat show" in one.texts[row] for row in one.hard)
    assert {one.texts[row].split()[0] for row in one.train} == {"boat", "plain"}
    assert (one.name, one.about["genre"]) == ("axbench 0 about 0", "text")


def test_an_axbench_concept_without_positives_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"train_data\.parquet: concept 0 has no positive text"):
        axbench_concepts(str(write_axbench(tmp_path, without_positives=True)), Sizes(200, 200, 50), 0)
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "train_data.parquet")
    with pytest.raises(DataError, match=r"has no column output.*give AxBench's file as it is"):
        axbench_concepts(str(tmp_path), Sizes(200, 200, 50), 0)


@pytest.mark.skipif(not AXBENCH.is_dir(), reason="AxBench's files lie in ../shared/data, not here")
def test_a_bag_of_words_detects_axbenchs_concepts_as_well_as_others_found():
    found = concepts([f"axbench:{AXBENCH}"], Sizes(144, 72, 10), 0)
    assert len(found) == 10
    assert [len(one.hard) for one in found] == [1, 5, 9, 2, 4, 9, 2, 0, 1, 2]
    areas = []
    for one in found:
        words = BagOfWords.fit([one.texts[row] for row in one.train], one.y_train)
        areas.append(roc_auc_score(one.y_test, words.probability([one.texts[row] for row in one.test])))
    # An independent re-implementation found means of .89 to .97 over the copies of Concept10.
    assert 0.86 < np.mean(areas) < 0.99
