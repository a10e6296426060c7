"""Labelled sets: what cleaning drops is counted, what no probe could use is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from saebench.data.labelled import Census, labelled
from saebench.data.probing_sets import PROBING_SETS, TWINS, set_names
from saebench.data.texts import Document
from saebench.errors import ConfigError, DataError, UnknownName


def table(folder: Path, rows: list[dict[str, object]], extra: str = "") -> str:
    with (folder / "rows.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    path = folder / "mine.yaml"
    path.write_text(f"name: mine\nfile: rows.csv\ntext: review\nlabel: stars\nlicence: CC0\n{extra}")
    return str(path)


def reviews(count: int) -> list[dict[str, object]]:
    return [{"review": f"review number {index}", "stars": index % 2} for index in range(count)]


def test_a_csv_and_five_lines_of_yaml_are_a_set(tmp_path):
    made = labelled(table(tmp_path, reviews(30)))
    assert (made.name, made.licence, made.classes, len(made.examples)) == ("mine", "CC0", ("0", "1"), 30)
    assert made.census == Census(rows=30, empty=0, duplicates=0, contradicted=0)


def test_what_is_dropped_is_counted(tmp_path):
    rows = reviews(30)
    rows += [
        {"review": "review  number\t4", "stars": 0},
        {"review": "", "stars": 1},
        {"review": "no label", "stars": ""},
    ]
    rows += [{"review": "both ways", "stars": 0}, {"review": "both ways", "stars": 1}]
    made = labelled(table(tmp_path, rows))
    assert made.census == Census(rows=35, empty=2, duplicates=1, contradicted=2)
    assert len(made.examples) == 30
    assert "both ways" not in {example.text for example in made.examples}


def test_a_text_on_both_sides_of_a_given_split_stays_in_the_test_part(tmp_path):
    rows = [row | {"part": "train" if index < 20 else "test"} for index, row in enumerate(reviews(30))]
    rows.append({"review": "review number 25", "stars": 1, "part": "train"})
    made = labelled(table(tmp_path, rows, "split: part\n"))
    assert made.census.leaked == 1
    assert next(one.split for one in made.examples if one.text == "review number 25") == "test"


def test_the_fingerprint_follows_content_and_not_order(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "c").mkdir()
    rows = reviews(30)
    first = labelled(table(tmp_path / "a", rows)).fingerprint()
    assert labelled(table(tmp_path / "b", rows[::-1])).fingerprint() == first
    rows[3]["stars"] = 0
    assert labelled(table(tmp_path / "c", rows)).fingerprint() != first


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"review": f"r{index}", "stars": 1} for index in range(30)], "one class alone, '1'"),
        (reviews(19), "holds 19 usable rows of 19"),
        ([{"review": f"r{index}", "stars": f"label {index}"} for index in range(30)], "a label of its own"),
        ([{"review": f"r{index}", "star": 1} for index in range(30)], "no column 'stars', only review, star"),
        ([{"review": f"r{index % 3}", "stars": index % 3 % 2} for index in range(60)], "holds 3 usable rows of 60"),
    ],
)
def test_what_is_no_data_set_is_refused_with_the_reason(tmp_path, rows, words):
    path = table(tmp_path, rows)
    with pytest.raises(DataError, match=words) as caught:
        labelled(path)
    assert str(tmp_path / "rows.csv") in str(caught.value)


def test_a_split_that_is_neither_train_nor_test_names_its_row(tmp_path):
    rows = [row | {"part": "dev"} for row in reviews(30)]
    with pytest.raises(DataError, match=r"row 0: the split is 'dev'"):
        labelled(table(tmp_path, rows, "split: part\n"))


def test_a_misspelt_field_of_the_yaml_file_is_named(tmp_path):
    path = table(tmp_path, reviews(30), "lable: stars\n")
    with pytest.raises(ConfigError, match="lable"):
        labelled(path)


def test_a_missing_table_and_a_row_of_another_length_are_named(tmp_path):
    path = table(tmp_path, reviews(30))
    with (tmp_path / "rows.csv").open("a") as stream:
        stream.write("one,2,3\n")
    with pytest.raises(DataError, match="row 30: has another number of cells"):
        labelled(path)
    (tmp_path / "rows.csv").unlink()
    with pytest.raises(DataError, match="no such file"):
        labelled(path)


def test_tables_of_three_kinds_give_the_same_set(tmp_path):
    import pandas

    rows = reviews(24)
    first = labelled(table(tmp_path, rows)).fingerprint()
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pandas.DataFrame(rows).to_parquet(tmp_path / "rows.parquet")
    for kind in ("jsonl", "parquet"):
        path = tmp_path / f"{kind}.yaml"
        path.write_text(f"name: mine\nfile: rows.{kind}\ntext: review\nlabel: stars\n")
        assert labelled(str(path)).fingerprint() == first


def test_an_unknown_name_has_near_misses():
    with pytest.raises(UnknownName, match="105_click_bait"):
        labelled("105_clickbait")


def test_the_packaged_sets_are_those_of_the_paper():
    kinds = [one["kind"] for one in PROBING_SETS.values()]
    assert {kind: kinds.count(kind) for kind in kinds} == {"binary": 113, "multiclass": 20, "shift": 8}
    assert len(set_names("multiclass")) == 19
    assert set(TWINS) < set(PROBING_SETS)


@pytest.mark.slow
def test_the_packaged_files_are_what_we_say_of_them():
    """Counts of assets.md 5.1, found by another reading of the files."""
    assert labelled("101_disease_class").census.contradicted > 83, "83 prompts carry two labels, in several rows each"
    census = labelled("43_temp_cat").census
    assert census.duplicates / census.rows == pytest.approx(0.789, abs=0.001)
    assert labelled("37_arith_mc").fingerprint() == labelled("38_arith_difficulty").fingerprint()
    news = labelled("100_news_fake")
    assert len(news.examples) == pytest.approx(2010, abs=20)
    shared = {Document("", text).hash for text in (one.text for one in news.examples)}
    assert all(one.hash in shared and len(one.hashes) == 2 for one in news.examples)


@pytest.mark.slow
def test_the_training_prose_is_recognised_in_the_labelled_news():
    from saebench.data import source

    documents = {document.hash for document in source("news").documents()}
    seen = [documents & set(one.hashes) for one in labelled("100_news_fake").examples]
    assert sum(map(bool, seen)) > 0.95 * len(seen)
