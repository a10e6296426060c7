"""Reading other libraries' files without running anything that they hold."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from saebench.errors import CheckpointError, first_line

HALF = (torch.float16, torch.bfloat16)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        CheckpointError: the file is missing, is no JSON or holds no object.
    """
    require(path)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"no valid JSON: {error}", file=path, remedy="copy the file again") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"holds a JSON {type(value).__name__}, not an object", file=path)
    return value


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file, half precision widened to float32.

    Raises:
        CheckpointError: the file is missing, truncated or of another format.
    """
    require(path)
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"cannot be read: {error}", file=path, remedy="copy the file again") from error
    return {name: widened(tensor) for name, tensor in tensors.items()}


def read_pickle(path: Path) -> dict[str, Tensor]:
    """A state dict from a file of `torch.save`, read with `weights_only=True` and nothing else.

    Raises:
        CheckpointError: the file is missing or truncated, or its pickle asks for more than tensors.
    """
    require(path)
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = next(
            (line.strip() for line in str(error).splitlines() if "nsupported" in line), "not a plain state dict"
        )
        raise CheckpointError(
            f"refused: unpickling it would do more than fill tensors ({reason})",
            file=path,
            remedy="save the state dict alone: torch.save(dictionary.state_dict(), path)",
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"cannot be read: {first_line(error)}", file=path, remedy="copy the file again"
        ) from error
    if not isinstance(value, Mapping) or not all(isinstance(item, Tensor) for item in value.values()):
        raise CheckpointError("holds no state dict of tensors", file=path)
    return {str(name): widened(tensor) for name, tensor in value.items()}


def require(path: Path) -> None:
    """Refuse a file that is not there.

    Raises:
        CheckpointError: naming the file.
    """
    if not path.is_file():
        raise CheckpointError("the file is missing", file=path, remedy="copy the whole folder")


def widened(tensor: Tensor) -> Tensor:
    """Half precision as float32, which holds it exactly; anything else as it is."""
    return tensor.to(torch.float32) if tensor.dtype in HALF else tensor


def tensor_of(tensors: Mapping[str, Tensor], name: str, source: Path | str) -> Tensor:
    """The tensor called `name`.

    Raises:
        CheckpointError: there is none.
    """
    if name not in tensors:
        raise CheckpointError(
            f"no tensor of this name; the file holds {', '.join(sorted(tensors)) or 'nothing'}",
            file=source,
            field=name,
            remedy="the checkpoint is cut short or of another library",
        )
    return tensors[name]


def setting_of(config: Mapping[str, Any], name: str, kind: type, source: Path | str) -> Any:
    """The field called `name` of a configuration, which must be of a type.

    Raises:
        CheckpointError: it is missing or of another type.
    """
    value = config.get(name)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        found = "missing" if name not in config else f"{value!r}"
        raise CheckpointError(f"must be {kind.__name__}, is {found}", file=source, field=name)
    return value


def json_values(config: Mapping[str, Any]) -> dict[str, Any]:
    """Entries that JSON has a form for; the rest as text."""
    kinds = (str, int, float, bool, list, dict, type(None))
    return {str(name): value if isinstance(value, kinds) else str(value) for name, value in config.items()}
