"""What subjects are resolved against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saebench.activations.artefacts import ArtefactStore
    from saebench.activations.sets import ActivationSet
    from saebench.lm.model import LanguageModel


@dataclass(frozen=True)
class Stage:
    """What subjects are resolved against: a model, a site and the data that baselines are fitted on."""

    lm: LanguageModel
    site: str
    evaluated: Callable[[str], ActivationSet]
    """Activations of the evaluation part at a site, made on first call."""
    fitted_on: Callable[[str], ActivationSet]
    """Activations of the part of the training data that baselines are fitted on, made on first call."""
    evaluated_fingerprint: str
    fit_fingerprint: str
    defaults: Mapping[str, Any]
    """`l0` and `d_dict` that the suite gives to controls without parameters."""
    artefacts: ArtefactStore
    """Where fitted baselines are kept."""

    def origin(self, part: str) -> dict[str, str]:
        """What identifies activations of a part: they are the fit data of a baseline."""
        data = self.evaluated_fingerprint if part == "eval" else self.fit_fingerprint
        return {"lm": self.lm.fingerprint, "data": data, "site": self.site, "dtype": str(self.lm.dtype)}
