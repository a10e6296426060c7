"""The contract of concept methods: settings, what they are fitted on, and what the fit gives."""

from __future__ import annotations

import abc
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict

from saebench.baselines.concepts.direction import ConceptDirection
from saebench.baselines.concepts.texts import ConceptTexts, IntArray
from saebench.errors import DataError, SubjectFailed

if TYPE_CHECKING:
    from saebench.dictionaries.contract import Dictionary
    from saebench.lm.model import LanguageModel


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a method is fitted on.

    Attributes:
        texts: training texts, in an order that is already random.
        y: label of each text, 0 or 1, both present.
        seed: any text; the same text gives the same draws.
        lm: the language model, for methods that need it.

    Raises:
        DataError: a label without a text.
    """

    texts: ConceptTexts
    y: IntArray
    seed: str
    lm: LanguageModel | None = None

    def __post_init__(self) -> None:
        for label, word in ((1, "positive"), (0, "negative")):
            if not (self.y == label).any():
                raise DataError(f"the concept has no {word} text", remedy="give texts of both kinds")

    @property
    def positive(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which tokens that count stand in positive texts, bool `[tokens]`."""
        return np.asarray(self.y[self.texts.owner] == 1)

    def balanced(self, most: int) -> IntArray:
        """Rows of equally many texts of both kinds, at most `most` together, in the order of the texts."""
        half = min(most // 2, int(self.y.sum()), int((1 - self.y).sum()))
        return np.sort(np.concatenate([np.flatnonzero(self.y == label)[:half] for label in (0, 1)]))

    def number(self, purpose: str) -> int:
        """A seed below 2**31 for one purpose."""
        state = hashlib.sha256(f"{self.seed}:{purpose}".encode()).digest()
        return int.from_bytes(state[:4]) >> 1

    def generator(self, purpose: str) -> torch.Generator:
        """A generator of its own for one purpose."""
        return torch.Generator().manual_seed(self.number(purpose))

    def model(self) -> LanguageModel:
        """The language model.

        Raises:
            SubjectFailed: there is none.
        """
        if self.lm is None:
            raise SubjectFailed("the method is trained through the language model, and was given none")
        return self.lm


class ConceptMethod(abc.ABC):
    """Anything that finds a concept in labelled texts."""

    needs_model: ClassVar[bool] = False
    """It reads the language model, not activations alone."""
    order_free: ClassVar[bool] = False
    """The order of the training texts does not matter."""

    @property
    def dictionary(self) -> Dictionary | None:
        """The dictionary that it chooses a latent of, where it does."""
        return None

    @abc.abstractmethod
    def fit(self, lesson: Lesson) -> ConceptDirection:
        """The concept.

        Raises:
            SubjectFailed: what is found has no direction, or is not finite.
            DataError: the texts hold nothing that the method could read.
        """

    @abc.abstractmethod
    def recipe(self) -> dict[str, Any]:
        """JSON values that decide the method: its identity, before anything is fitted."""


class NamedMethod(BaseModel, ConceptMethod):
    """A method by settings: its fields are the parameters of `baseline:NAME?...`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    name: ClassVar[str]
    version: ClassVar[int] = 1
    """Raised when the same settings and texts give another direction."""
    role: ClassVar[Literal["random", "permuted"] | None] = None
    """Set for controls."""

    def recipe(self) -> dict[str, Any]:
        return {"concept": self.name, "version": self.version, "settings": self.model_dump(mode="json")}

    def label(self) -> str:
        """A name for tables: whatever is not the default stands behind the name."""
        fields = type(self).model_fields
        odd = [f"{key}-{value}" for key, value in self.model_dump().items() if value != fields[key].default]
        return "-".join([self.name, *odd])
