"""A panel: a named list of subjects, read from YAML."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from saebench.errors import ConfigError, UnknownName
from saebench.packaged_files import packaged
from saebench.registry import near_misses
from saebench.subjects import parse


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
        UnknownName: neither a file nor a packaged panel.
        ConfigError: the file does not validate; names the field.
    """
    path = Path(name)
    if not path.is_file():
        path = packaged("suites") / "panels" / f"{name}.yaml"
    if not path.is_file():
        known = panel_names()
        raise UnknownName("panel", name, near_misses(name, dict.fromkeys(known)), known)
    try:
        panel = Panel.model_validate(yaml.safe_load(path.read_text()))
    except yaml.YAMLError as error:
        raise ConfigError(f"it is not YAML: {error}", file=path) from error
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(first["msg"], file=path, field=".".join(map(str, first["loc"]))) from error
    return [str(path.parent / one) if parse(one).prefix == "path" else one for one in panel.subjects]
