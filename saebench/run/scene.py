"""A scene: one model with the data of one suite, and everything made from them, made once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from saebench.data.packing import PackedRows, load_rows
from saebench.fingerprint import digest
from saebench.results.schema import DataRecord, ModelRecord
from saebench.subjects import Stage
from saebench.tasks.contract import Request

if TYPE_CHECKING:
    from saebench.activations.artefacts import ArtefactStore
    from saebench.activations.sets import ActivationSet
    from saebench.activations.store import ActivationStore
    from saebench.lm.model import LanguageModel
    from saebench.progress import Progress
    from saebench.run.suite import Suite

HARVEST_ROWS = 16
"""Rows in one forward pass of a harvest."""
FIT_SEED = 0
"""Baselines are fitted on the same documents whatever the eval_seed."""


@dataclass
class Scene:
    """Hands out rows and activations of a suite's data for one model."""

    suite: Suite
    lm: LanguageModel
    store: ActivationStore
    progress: Progress
    artefacts: ArtefactStore
    _rows: dict[tuple[str, int], PackedRows] = field(default_factory=dict)
    _sets: dict[tuple[str, int, str], ActivationSet] = field(default_factory=dict)

    @property
    def store_dtype(self) -> torch.dtype:
        """In which activations are kept on disk."""
        dtype: torch.dtype = getattr(torch, self.suite.store_dtype)
        return dtype

    @property
    def dtype_label(self) -> str:
        """`compute/store`, part of identity."""
        return f"{str(self.lm.dtype).removeprefix('torch.')}/{self.suite.store_dtype}"

    def rows(self, part: str, eval_seed: int) -> PackedRows:
        """Packed rows of the "eval" or "fit" part."""
        seed = FIT_SEED if part == "fit" else eval_seed
        if (part, seed) not in self._rows:
            spec = self.suite.data.fit if part == "fit" else self.suite.data.eval
            self._rows[part, seed] = load_rows(
                spec, self.lm.tokenizer, tokenizer_hash=self.lm.tokenizer_hash, seed=seed
            )
        return self._rows[part, seed]

    def activations(self, request: Request, eval_seed: int) -> ActivationSet:
        """Activations of a site of a part; those needed to resume from the site come in the same pass."""
        seed = FIT_SEED if request.part == "fit" else eval_seed
        key = (request.part, seed, request.site)
        if key not in self._sets:
            sites = [request.site]
            entry = self.lm.entry_site(request.site)
            if entry is not None and request.part == "eval":
                sites.append(entry)
            made = self.store.sets(
                self.lm,
                self.rows(request.part, eval_seed),
                sites,
                store_dtype=self.store_dtype,
                batch_rows=HARVEST_ROWS,
                progress=self.progress,
            )
            self._sets |= {(request.part, seed, site): one for site, one in made.items()}
        return self._sets[key]

    def stage(self, site: str, eval_seed: int) -> Stage:
        """What subjects of one site are resolved against."""
        return Stage(
            lm=self.lm,
            site=site,
            evaluated=lambda name: self.activations(Request(name, "eval"), eval_seed),
            fitted_on=lambda name: self.activations(Request(name, "fit"), eval_seed),
            evaluated_fingerprint=self.rows("eval", eval_seed).fingerprint,
            fit_fingerprint=digest(
                [self.rows("fit", eval_seed).fingerprint, self.suite.store_dtype],
            ),
            defaults=self.suite.defaults.model_dump(),
            artefacts=self.artefacts,
        )

    def data_record(self, part: str, eval_seed: int) -> DataRecord:
        """How a result describes a part of the data."""
        rows = self.rows(part, eval_seed)
        return DataRecord(
            part=part,
            name=rows.name,
            fingerprint=rows.fingerprint,
            licence=rows.licence,
            documents=len(rows.document_ids),
            tokens=rows.n_tokens,
            packing=dict(rows.packing),
            mask_rule=rows.mask_rule,
        )

    def model_record(self) -> ModelRecord:
        """How a result describes the model."""
        return ModelRecord(
            name=self.lm.name,
            weights_hash=self.lm.weights_hash,
            tokenizer_hash=self.lm.tokenizer_hash,
            compute_dtype=str(self.lm.dtype).removeprefix("torch."),
            store_dtype=self.suite.store_dtype,
        )
