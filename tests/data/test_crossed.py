"""Texts with two labels: what a table becomes, what is refused, and which packaged pairs there are."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from saebench.data.crossed import CROSSED, MIN_CELL, crossed
from saebench.data.labelled import labelled
from saebench.errors import ConfigError, DataError, UnknownName


def write(folder: Path, rows: list[dict[str, str]], spec: str = "first: job\nsecond: sex\n") -> str:
    with (folder / "own.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (folder / "own.yaml").write_text(f"name: own\nfile: own.csv\n{spec}")
    return str(folder / "own.yaml")


def rows(n: int = MIN_CELL) -> list[dict[str, str]]:
    return [
        {"text": f"{job} {sex} {number}", "job": job, "sex": sex}
        for number in range(n)
        for job in ("nurse", "professor")
        for sex in ("f", "m")
    ]


def test_a_table_becomes_four_cells(tmp_path):
    data = crossed(write(tmp_path, rows()))
    assert data.attributes == ("job", "sex")
    assert data.values == (("nurse", "professor"), ("f", "m"))
    assert set(data.cells().values()) == {MIN_CELL}
    for one in data.examples:
        job, sex, _ = one.text.split()
        assert one.cell == (int(job == "professor"), int(sex == "m"))


def test_the_order_of_the_file_is_not_in_the_fingerprint_and_labels_are(tmp_path):
    plain = crossed(write(tmp_path, rows())).fingerprint()
    assert crossed(write(tmp_path, rows()[::-1])).fingerprint() == plain
    swapped = [{**row, "sex": "f" if row["sex"] == "m" else "m"} for row in rows()]
    assert crossed(write(tmp_path, swapped)).fingerprint() != plain


def test_repeated_contradicted_and_empty_rows_are_counted(tmp_path):
    extra = rows(MIN_CELL + 2)
    extra += [extra[0], {**extra[1], "sex": "f"}, {**extra[2], "text": " "}, {"text": "x", "job": "", "sex": "m"}]
    census = crossed(write(tmp_path, extra)).census
    assert (census.duplicates, census.contradicted, census.empty) == (1, 2, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda made: [*made, {"text": "x", "job": "judge", "sex": "m"}], "'job' must have two values, not 3"),
        (lambda made: made[:-1], f"39 with professor and m.*needs {MIN_CELL}"),
        (lambda made: [{"text": row["text"], "job": row["job"]} for row in made], "has no column 'sex'"),
    ],
)
def test_tables_that_do_not_serve_are_refused(change, message, tmp_path):
    with pytest.raises(DataError, match=message):
        crossed(write(tmp_path, change(rows())))


def test_a_misspelt_field_or_name_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"secnd: there is no such field \(did you mean second"):
        crossed(write(tmp_path, rows(), "first: job\nsecnd: sex\n"))
    with pytest.raises(UnknownName, match="sex_actor"):
        crossed("sex_actr")


def test_a_joined_set_holds_the_texts_of_both_with_the_label_of_each():
    data = crossed("male_american")
    male, american = (
        {example.hash: example.label for example in labelled(name).examples}
        for name in ("5_hist_fig_ismale", "6_hist_fig_isamerican")
    )
    assert {one.hash for one in data.examples} == set(male) & set(american)
    assert all(one.cell == (int(male[one.hash]), int(american[one.hash])) for one in data.examples)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CROSSED))
def test_every_packaged_set_has_four_cells(name):
    assert min(crossed(name).cells().values()) >= MIN_CELL
