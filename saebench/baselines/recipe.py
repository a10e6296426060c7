"""A baseline as a recipe: settings whose fields are the parameters of `baseline:NAME?...`, and how it is fitted.

A recipe that a suite or a user names is completed first (`d_dict` and `l0` from the suite's defaults), so that identity
is known before anything is fitted: it is the recipe's fields and the data that it is fitted on.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from pydantic import BaseModel, ConfigDict

from saebench.dictionaries.contract import Provenance
from saebench.errors import UsageError

if TYPE_CHECKING:
    from saebench.activations.sets import ActivationSet
    from saebench.dictionaries.fixed import FixedDictionary


@dataclass(frozen=True)
class Ground:
    """What a recipe is fitted on.

    Attributes:
        data: activations of the site.
        origin: where they come from; a fitted dictionary keeps it, with what the fit says of itself added.
        device: where tensors are computed on.
    """

    data: ActivationSet
    origin: Provenance = Provenance()  # noqa: RUF009 - frozen
    device: torch.device | str = "cpu"

    def place(self, name: str, tokens: int, seed: int | None = None, **facts: Any) -> dict[str, Any]:
        """Arguments of a fitted dictionary: its site, and its provenance with JSON facts about the fit."""
        extra = {**self.origin.extra, "fit": facts}
        origin = replace(self.origin, architecture=name, train_seed=seed, tokens=tokens, extra=extra)
        return {"sites": (self.data.site,), "provenance": origin}


class Recipe(BaseModel, abc.ABC):
    """Settings of a baseline. A field without a default takes the suite's: `l0`, `d_dict`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: ClassVar[str]
    version: ClassVar[int] = 1
    """Raised when the same settings and data give another dictionary."""

    @classmethod
    def complete(cls, given: Mapping[str, Any], defaults: Mapping[str, Any], width: int) -> dict[str, Any]:
        """Settings for a site of a width, with the suite's defaults where a field needs one."""
        needed = {key for key, field in cls.model_fields.items() if field.is_required()}
        return {key: value for key, value in defaults.items() if key in needed} | dict(given)

    def check(self, width: int) -> None:
        """Look whether it can be fitted at a site of a width; nothing forbids it by default.

        Raises:
            UsageError: it cannot.
        """
        return

    @abc.abstractmethod
    def fit(self, ground: Ground) -> FixedDictionary:
        """The dictionary.

        Raises:
            DataError: there are too few tokens, or they are not finite.
            SiteError: the method cannot use activations of this site.
        """

    def label(self) -> str:
        """A name for tables: sizes first, then whatever is not the default."""
        values = self.model_dump(exclude_none=True)
        parts = [self.name, *(str(values.pop(key)) for key in ("d_dict",) if key in values)]
        parts += [f"l0-{values.pop('l0')}"] if "l0" in values else []
        seed = [f"s{values.pop('seed')}"] if "seed" in values else []
        odd = [f"{key}-{value}" for key, value in values.items() if value != type(self).model_fields[key].default]
        return "-".join([*parts, *odd, *seed])


def at_most(value: int, bound: int, what: str) -> None:
    """Refuse a size.

    Raises:
        UsageError: `value` does not lie between 1 and `bound`.
    """
    if not 1 <= value <= bound:
        raise UsageError(f"{what} must lie between 1 and {bound:,}, not {value:,}")
