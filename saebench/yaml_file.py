"""Reading a YAML file into a pydantic model, with one clear error for what is wrong in it."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from saebench.errors import ConfigError
from saebench.registry import near_misses

Model = TypeVar("Model", bound=BaseModel)


def read_yaml(path: Path, model: type[Model]) -> Model:
    """The file as a `model`.

    Raises:
        ConfigError: it cannot be read, is not YAML, no mapping, or does not validate; names the field, a misspelt one
            first.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=path) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"it is not YAML: {error}", file=path) from error
    if not isinstance(content, dict):
        raise ConfigError(
            "it must hold fields with values", file=path, remedy=f"fields: {', '.join(model.model_fields)}"
        )
    try:
        return model.model_validate(content)
    except ValidationError as error:
        faults = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
        field = ".".join(str(part) for part in faults[0]["loc"])
        if faults[0]["type"] != "extra_forbidden":
            raise ConfigError(faults[0]["msg"], file=path, field=field) from error
        near = near_misses(field, model.model_fields)
        remedy = f"did you mean {near[0]}?" if near else f"fields: {', '.join(model.model_fields)}"
        raise ConfigError("there is no such field", file=path, field=field, remedy=remedy) from error
