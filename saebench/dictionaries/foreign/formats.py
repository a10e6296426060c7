"""Which format a checkpoint has, and reading it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from saebench.dictionaries import checkpoints
from saebench.dictionaries.contract import Dictionary
from saebench.dictionaries.foreign import dictionary_learning, sae_lens, sparsify
from saebench.dictionaries.foreign.assemble import assemble
from saebench.errors import CheckpointError, UnknownName
from saebench.registry import near_misses


@dataclass(frozen=True)
class Format:
    """A kind of folder."""

    name: str
    files: tuple[str, ...]
    """What every folder of the kind holds."""
    read: Callable[[Path], Dictionary]


FORMATS = {
    entry.name: entry
    for entry in (
        Format("saebench", (checkpoints.CONFIG_FILE, checkpoints.WEIGHTS_FILE), checkpoints.load),
        Format("sae_lens", (sae_lens.CONFIG, sae_lens.WEIGHTS), sae_lens.read),
        Format(
            "dictionary_learning",
            (dictionary_learning.CONFIG, dictionary_learning.WEIGHTS),
            lambda folder: assemble(dictionary_learning.read(folder)),
        ),
        Format("sparsify", (sparsify.CONFIG, sparsify.WEIGHTS), lambda folder: assemble(sparsify.read(folder))),
    )
}


def detect(folder: Path) -> str:
    """The name of the format of a folder, by the files in it.

    Raises:
        CheckpointError: there is no such folder, or it holds no known format; says what was looked for.
    """
    if not folder.exists():
        raise CheckpointError("no such file or folder", file=folder, remedy="check the path")
    if folder.is_file():
        raise CheckpointError("is a file; a checkpoint is a folder", file=folder, remedy=f"name {folder.parent}")
    for entry in FORMATS.values():
        if all((folder / name).is_file() for name in entry.files):
            return entry.name
    raise CheckpointError(f"no known checkpoint: {_looked_for(folder)}", file=folder, remedy=_nearby(folder))


def load_any(folder: Path) -> Dictionary:
    """A dictionary from a folder of any known format, ours included.

    Raises:
        CheckpointError: the folder holds no known format, or the dictionary is not sound.
    """
    return load_foreign(folder, detect(folder))


def load_foreign(path: Path | str, format: str | None = None) -> Dictionary:
    """A dictionary of a format; found out from the files when None.

    `sae_lens` also takes `RELEASE/ID` of its list of releases where no such folder exists.

    Raises:
        UnknownName: no such format.
        CheckpointError: a file is missing or damaged, there is no form for it, or it is not sound.
    """
    folder = Path(path)
    name = detect(folder) if format is None else format
    if name not in FORMATS:
        raise UnknownName("checkpoint format", name, near_misses(name, FORMATS), list(FORMATS))
    if name == "sae_lens" and not folder.exists() and "/" in str(path):
        dictionary = sae_lens.from_release(str(path))
    else:
        for file in FORMATS[name].files:
            if not (folder / file).is_file():
                raise CheckpointError(f"no {name} checkpoint: {file} is missing", file=folder, remedy=_nearby(folder))
        dictionary = FORMATS[name].read(folder)
    checkpoints.validate(dictionary, path)
    return dictionary


def _looked_for(folder: Path) -> str:
    parts = []
    for entry in FORMATS.values():
        absent = [name for name in entry.files if not (folder / name).is_file()]
        parts.append(f"{entry.name} needs {' and '.join(entry.files)}, {' and '.join(absent)} missing")
    return "; ".join(parts)


def _nearby(folder: Path) -> str:
    """Where a checkpoint lies below or above the folder, as a remedy."""
    files = {entry.files[1] for entry in FORMATS.values()}
    below = sorted({path.parent for name in files for path in folder.glob(f"*/{name}")}) if folder.is_dir() else []
    if below:
        return f"name one of its folders: {', '.join(path.name for path in below[:5])}"
    return "copy the whole folder, or name another"
