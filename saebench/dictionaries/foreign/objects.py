"""Any Python object with `encode`, `decode` and `W_dec` as a dictionary."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from saebench.dictionaries.codes import Codes, DenseCodes
from saebench.dictionaries.contract import Context, Dictionary, Provenance, Traits
from saebench.dictionaries.foreign import sae_lens
from saebench.dictionaries.foreign.sites import sites
from saebench.errors import CheckpointError, SubjectFailed

NEEDED = ("encode", "decode", "W_dec")
PROBES, PROBED_LATENTS = 8, 16


def adapt(source: Any) -> Dictionary:
    """A dictionary around a live object; SAEs of sae-lens are copied into blocks, anything else is called as it is.

    Args:
        source: has `encode(x [n, d]) -> codes [n, F]`, `decode(codes) -> [n, d]` and `W_dec` `[F, d]`.

    Raises:
        CheckpointError: it lacks one of them, or `W_dec` is no matrix.
        SubjectFailed: `encode` or `decode` fails on a few random activations.
    """
    if type(source).__module__.split(".")[0] == "sae_lens" and hasattr(source, "state_dict"):
        return sae_lens.from_object(source)
    return ObjectDictionary(source)


class ObjectDictionary(Dictionary):
    """An object whose codes are taken as it gives them.

    Whether codes are signed and whether `decode` is affine with rows `W_dec` is found out on a few random activations.
    Its identity covers the class and all that its public attributes hold: tensors and settings, at any depth. Two
    objects that differ in nothing but private attributes of their own are taken for the same.
    """

    def __init__(self, source: Any) -> None:
        name = type(source).__name__
        for attribute in NEEDED:
            if not hasattr(source, attribute):
                needed = ", ".join(NEEDED)
                raise CheckpointError(
                    f"an object of class {name} has no {attribute}",
                    field=attribute,
                    remedy=f"it needs {needed}",
                )
        atoms = source.W_dec
        if not isinstance(atoms, Tensor) or atoms.ndim != 2:
            raise CheckpointError(f"W_dec of {name} must be a tensor [latents, d]", field="W_dec")
        self.source = source
        self.d_dict, self.d_in = atoms.shape
        self.d_out = self.d_in
        settings = getattr(source, "cfg", None)
        self.sites_in = self.sites_out = sites(_said(settings, "hook_name"))
        self.provenance = Provenance(
            architecture=_said(settings, "architecture") or name, lm=_said(settings, "model_name")
        )
        self.traits = Traits()
        self.traits = self._probed()

    def encode(self, x: Tensor, context: Context | None = None) -> Codes:
        with self._guarded("encode"):
            values = self.source.encode(x.to(self.source.W_dec))
        if not isinstance(values, Tensor):
            raise SubjectFailed(f"{self._name}.encode returned {type(values).__name__}, not a tensor of codes")
        values = values.to_dense() if values.is_sparse else values
        if values.shape != (len(x), self.d_dict):
            expected = [len(x), self.d_dict]
            raise SubjectFailed(f"{self._name}.encode returned shape {list(values.shape)}, not {expected}")
        return DenseCodes(values.detach())

    def decode(self, codes: Codes, x: Tensor | None = None) -> Tensor:
        with self._guarded("decode"):
            output = self.source.decode(codes.dense())
        if not isinstance(output, Tensor) or output.shape != (codes.n, self.d_out):
            found = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise SubjectFailed(f"{self._name}.decode returned {found}, not {[codes.n, self.d_out]}")
        return output.detach()

    @property
    def atoms(self) -> Tensor | None:
        return self.source.W_dec.detach() if self.traits.linear_decoder else None

    @property
    def encoder_rows(self) -> Tensor | None:
        rows = getattr(self.source, "W_enc", None)
        fits = isinstance(rows, Tensor) and rows.shape == (self.d_in, self.d_dict)
        return rows.detach().T if fits and isinstance(rows, Tensor) else None

    def recipe(self) -> dict[str, Any]:
        owner = type(self.source)
        settings = {name: value for name, value in contents(self.source, "", set()) if not isinstance(value, Tensor)}
        return {"kind": "object", "class": f"{owner.__module__}.{owner.__qualname__}", "settings": settings}

    def tensors(self) -> dict[str, Tensor]:
        found = {name: value for name, value in contents(self.source, "", set()) if isinstance(value, Tensor)}
        return {"W_dec": self.source.W_dec, **found}

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Self:
        """Moves the object itself where it can move; otherwise activations are brought to it."""
        if hasattr(self.source, "to"):
            with self._guarded("to"):
                self.source.to(device=device, **({} if dtype is None else {"dtype": dtype}))
        return self

    def _probed(self) -> Traits:
        """Traits that a few random activations show."""
        x = torch.randn(PROBES, self.d_in, generator=torch.Generator().manual_seed(0))
        codes = self.encode(x)
        self.decode(codes)
        rows = torch.linspace(0, self.d_dict - 1, min(PROBED_LATENTS, self.d_dict)).long()
        unit = torch.zeros(len(rows) + 1, self.d_dict).to(self.source.W_dec)
        unit[torch.arange(len(rows)), rows] = 1
        images = self.decode(DenseCodes(unit))
        atoms = self.source.W_dec.detach()[rows]
        linear = torch.allclose(images[:-1] - images[-1], atoms, rtol=1e-3, atol=1e-4 * float(atoms.abs().max()))
        return Traits(signed=bool((codes.dense() < 0).any()), linear_decoder=linear)

    @property
    def _name(self) -> str:
        return type(self.source).__name__

    @contextmanager
    def _guarded(self, call: str) -> Iterator[None]:
        try:
            with torch.no_grad():
                yield
        except Exception as error:
            raise SubjectFailed(f"{self._name}.{call} raised {type(error).__name__}: {error}") from error


def _said(settings: Any, name: str) -> str | None:
    """A text field of a configuration object, or of its `metadata`."""
    for place in (settings, getattr(settings, "metadata", None)):
        value = getattr(place, name, None)
        if isinstance(value, str) and value:
            return value
    return None


def contents(value: Any, name: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """What below an attribute may decide codes: tensors, numbers, texts and names of functions, each with its path.

    Follows containers and the public attributes of objects, each object once. Where a thing lies (`device`) is left
    out.
    """
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        yield name, torch.from_numpy(np.array(value))
    elif value is None or isinstance(value, str | int):
        yield name, value
    elif isinstance(value, float):
        yield name, value if math.isfinite(value) else repr(value)
    elif isinstance(value, type) or inspect.isroutine(value):
        yield name, f"{value.__module__}.{value.__qualname__}"
    elif id(value) not in seen:
        seen.add(id(value))
        for key, item in _parts(value).items():
            if key != "device":
                yield from contents(item, f"{name}.{key}" if name else key, seen)


def _parts(value: Any) -> dict[str, Any]:
    """What a container holds, or the public attributes of an object with the weights and modules of a torch module."""
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}
    if isinstance(value, list | tuple):
        return {str(place): item for place, item in enumerate(value)}
    attributes: dict[str, Any] = getattr(value, "__dict__", {})
    inner = attributes if isinstance(value, nn.Module) else {}
    held: list[dict[str, Any]] = [inner.get(group, {}) for group in ("_parameters", "_buffers", "_modules")]
    public: dict[str, Any] = {name: item for name, item in attributes.items() if not name.startswith("_")}
    return public | held[0] | held[1] | held[2]
