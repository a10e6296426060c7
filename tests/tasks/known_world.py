"""A synthetic world with its evaluated samples, and dictionaries whose faults are known by construction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from saebench.activations.sets import ActivationSet
from saebench.activations.store import ActivationStore
from saebench.baselines.oracle import Oracle
from saebench.data.packing import DataSpec, load_rows
from saebench.dictionaries.codes import Codes, DenseCodes
from saebench.dictionaries.contract import Context, Dictionary, Provenance, Traits
from saebench.fakes import FakeSubject, bench_of
from saebench.lm.synthetic.model import SITE, SyntheticModel
from saebench.lm.synthetic.presets import PREFIX, Preset
from saebench.lm.synthetic.tokenizer import sample_numbers
from saebench.lm.synthetic.world import World
from saebench.tasks.contract import Scores
from saebench.tasks.ground_truth.params import TruthParams
from saebench.tasks.ground_truth.task import GroundTruth
from saebench.tasks.summary import summarise

Edit = Callable[[Tensor], Tensor]


class Edited(Dictionary):
    """The oracle's codes `[n, F]` after `edit`, decoded with `atoms`."""

    def __init__(
        self, oracle: Oracle, atoms: Tensor, edit: Edit = lambda codes: codes, *, signed: bool = False
    ) -> None:
        self._oracle, self._atoms, self._edit = oracle, atoms, edit
        self.sites_in = self.sites_out = (SITE,)
        self.d_in = self.d_out = atoms.shape[1]
        self.d_dict = atoms.shape[0]
        self.traits = Traits(signed=signed)
        self.provenance = Provenance()

    def encode(self, x: Tensor, context: Context | None = None) -> Codes:
        return DenseCodes(self._edit(self._oracle.encode(x).dense()))

    def decode(self, codes: Codes, x: Tensor | None = None) -> Tensor:
        return codes.project(self._atoms) + self._oracle.bias

    @property
    def atoms(self) -> Tensor:
        return self._atoms

    def recipe(self) -> dict[str, Any]:
        return {"kind": "edited"}

    def tensors(self) -> dict[str, Tensor]:
        return {"atoms": self._atoms}

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Edited:
        return self


class Known:
    """A world with the activations of some of its evaluation documents.

    Args:
        settings: the world.
        folder: for its stores.
        documents: how many are evaluated.
    """

    def __init__(self, settings: Preset, folder: Path, documents: int = 80) -> None:
        self.world = World(settings)
        self.lm = SyntheticModel(self.world)
        self.folder = folder
        # The corpus has no settings but its size: any preset's will do.
        spec = DataSpec(source=f"{PREFIX}tiny", part="eval", documents=documents, context=64)
        self.rows = load_rows(spec, self.lm.tokenizer, tokenizer_hash=self.lm.tokenizer_hash)
        self.store = ActivationStore(folder / "activations")
        self.data: ActivationSet = self.store.sets(self.lm, self.rows, [SITE])[SITE]
        self.oracle = Oracle.of(self.world)
        self.oracle.table.expect(self.numbers)

    @cached_property
    def fit(self) -> ActivationSet:
        """Activations of some of its training documents."""
        spec = DataSpec(source=f"{PREFIX}tiny", part="train", tokens=4096, context=64)
        rows = load_rows(spec, self.lm.tokenizer, tokenizer_hash=self.lm.tokenizer_hash)
        return self.store.sets(self.lm, rows, [SITE])[SITE]

    @property
    def numbers(self) -> np.ndarray:
        """Evaluated samples, in order."""
        return sample_numbers(self.rows.tokens[self.rows.mask])

    @property
    def directions(self) -> Tensor:
        return torch.from_numpy(self.world.directions)

    @property
    def magnitudes(self) -> np.ndarray:
        """True magnitudes of the evaluated samples, `[n, F]`."""
        return self.world.samples(self.numbers).toarray()

    def scores(
        self,
        dictionaries: Sequence[Dictionary | Exception],
        params: TruthParams | None = None,
        *,
        seed: int = 0,
        rows_per_block: int = 4,
        journal: Any = None,
    ) -> dict[str, Scores]:
        """Scores by the place of the dictionary, "0" and so on."""
        bench = bench_of(
            self.lm,
            params or TruthParams(),
            folder=self.folder,
            eval_seed=seed,
            rows_per_block=rows_per_block,
            journal=journal,
            source=lambda request: self.fit if request.part == "fit" else self.data,
        )
        subjects = [FakeSubject(one, str(place), site=SITE) for place, one in enumerate(dictionaries)]
        self.failures = bench.failures
        return GroundTruth().run(subjects, bench)

    def metrics(self, dictionary: Dictionary, params: TruthParams | None = None, **settings: Any) -> dict[str, Any]:
        """Values of all metrics of one dictionary; None where undefined."""
        scores = self.scores([dictionary], params, **settings)
        assert not self.failures, self.failures
        return {name: one.value for name, one in summarise(GroundTruth.card, scores["0"]).items()}
