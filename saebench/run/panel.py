"""A panel: a named list of subjects, read from YAML."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from saebench.errors import InputError, UnknownName
from saebench.packaged_files import packaged
from saebench.registry import near_misses
from saebench.subjects.spec import anchored
from saebench.yaml_file import read_yaml


class Panel(BaseModel):
    """A panel file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    subjects: list[str] = Field(min_length=1)
    """Specifications; a relative path is meant from the folder of the file."""


def panel_names() -> list[str]:
    """Names of the packaged panels."""
    return sorted(file.stem for file in packaged("suites").glob("panels/*.yaml"))


def load_panel(name: str) -> list[str]:
    """The subjects of the panel file at a path, else of the packaged panel of that name.

    Raises:
        InputError: a path to no file.
        UnknownName: no packaged panel has this name.
        ConfigError: the file does not validate; names the field.
    """
    path = Path(name)
    if not path.is_file() and (path.suffix in {".yaml", ".yml"} or len(path.parts) > 1):
        beside = [one.name for one in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        close = near_misses(path.name, dict.fromkeys(beside))
        remedy = f"did you mean {' or '.join(close)}?" if close else "check the path"
        raise InputError("no such panel file", file=path, remedy=remedy)
    if not path.is_file():
        path = packaged("suites") / "panels" / f"{name}.yaml"
    if not path.is_file():
        known = panel_names()
        raise UnknownName("panel", name, near_misses(name, dict.fromkeys(known)), known)
    panel = read_yaml(path, Panel)
    return [anchored(one, path.parent) for one in panel.subjects]
