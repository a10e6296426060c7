"""Is a dictionary or concept method what it should be? Makes it, describes it, and runs the conformance checks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from saebench.dictionaries.conformance import Finding, check_dictionary
from saebench.errors import UsageError
from saebench.fingerprint import digest
from saebench.progress import Progress, Silent
from saebench.subjects import kind_of, load_dictionary, parse, require_site, resolve
from saebench.subjects.concepts import method_of
from saebench.subjects.stage import Stage

if TYPE_CHECKING:
    from torch import Tensor

    from saebench.dictionaries.contract import Dictionary
    from saebench.lm.model import LanguageModel

TOKENS = 256
"""Activations that the checks encode."""
PLANTED, ON_AT_ONCE, FITTED_ON = 48, 4, 4_000
"""Atoms of the planted activations that baselines are fitted on, those that are on in one, and how many there are."""
SAMPLE = (
    "A dictionary is checked on a few sentences of plain prose, so that what it sees looks like what it was made for. "
    "The committee met on Tuesday and agreed on most of the points, though the budget was left for another day."
)


@dataclass(frozen=True)
class CheckReport:
    """What a subject is, and what was found."""

    facts: dict[str, Any]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Every check passed."""
        return all(finding.ok for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {"ok": self.ok, "facts": self.facts, "findings": [asdict(finding) for finding in self.findings]}


def check_subject(
    subject: str,
    *,
    lm: str | LanguageModel | None = None,
    site: str | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> CheckReport:
    """Load a dictionary and check it, on activations of `lm` at its site where a model is named.

    A concept method is fitted on a toy lesson instead, read by `lm` or, where none is named, by a tiny random model.
    A baseline is fitted on planted activations (`check_fitted`).

    Raises:
        CheckpointError: it cannot be loaded or is not sound.
        SiteError: it does not fit the site.
        UsageError: a model is named but no site, or either of them for a baseline.
    """
    if kind_of(subject) == "concept":
        return check_method(subject, lm, site, device)
    if parse(subject).prefix == "baseline":
        if lm is not None or site is not None:
            raise UsageError(
                f"'{subject}' is checked on planted activations: leave out --lm and --site, "
                "or keep it with saebench.fit and saebench.save and check the folder"
            )
        return check_fitted(subject)
    dictionary = load_dictionary(subject)
    where = site or next(iter(dictionary.sites_in), "") or None
    if lm is None:
        generator = torch.Generator().manual_seed(0)
        x, source = torch.randn(TOKENS, dictionary.d_in, generator=generator), "random normal"
    else:
        from saebench.lm.model import load_model

        if where is None:
            raise UsageError(f"'{subject}' does not say at which site it was trained: name it with --site")
        model = load_model(lm, device=device) if isinstance(lm, str) else lm
        (progress or Silent()).note(f"{model.name}, {where}")
        require_site(dictionary, model, where, subject)
        x, source = sample_activations(model, where), f"{model.name} at {where}"
    return described(subject, dictionary, where, x, source)


def described(subject: str, dictionary: Dictionary, where: str | None, x: Tensor, source: str) -> CheckReport:
    """What a dictionary is, and how it does on activations `x`."""
    traits = [name for name, value in vars(dictionary.traits).items() if value]
    facts = {
        "subject": subject,
        "architecture": dictionary.provenance.architecture,
        "site": where,
        "d_in": dictionary.d_in,
        "d_out": dictionary.d_out,
        "latents": dictionary.d_dict,
        "traits": ", ".join(traits) or "plain",
        "trained on": dictionary.provenance.data,
        "train seed": dictionary.provenance.train_seed,
        "fingerprint": dictionary.fingerprint(),
        "checked on": f"{len(x)} activations, {source}",
    }
    return CheckReport(facts, tuple(check_dictionary(dictionary, x)))


def check_fitted(subject: str) -> CheckReport:
    """Fit a baseline on planted activations and check what comes of it.

    They are sums of a few of 48 non-negative atoms in 32 dimensions: every method can use them.
    """
    from tempfile import TemporaryDirectory

    from saebench.activations.artefacts import ArtefactStore
    from saebench.activations.sets import ActivationSet
    from saebench.lm.fakes import tiny_model

    generator = torch.Generator().manual_seed(0)
    lm, site = tiny_model("gpt2"), "blocks.1.mlp.hook_post"
    atoms = torch.rand(PLANTED, lm.site(site).width, generator=generator)
    strengths = torch.rand(FITTED_ON, PLANTED, generator=generator)
    strengths *= torch.rand(strengths.shape, generator=generator) < ON_AT_ONCE / PLANTED
    x = strengths @ atoms + 0.01 * torch.rand(FITTED_ON, len(atoms.T), generator=generator)
    data = ActivationSet.from_tensor(x, site=site)
    with TemporaryDirectory(prefix="saebench-check-") as folder:
        stage = Stage(
            lm=lm,
            site=site,
            evaluated=lambda name: data,
            fitted_on=lambda name: data,
            evaluated_fingerprint=data.key,
            fit_fingerprint=data.key,
            defaults={"l0": ON_AT_ONCE, "d_dict": PLANTED},
            artefacts=ArtefactStore(Path(folder)),
        )
        dictionary = resolve(subject, stage).dictionary()
    made = described(subject, dictionary, None, x[:TOKENS], "planted, of those that it was fitted on")
    kept = ("subject", "architecture", "traits", "checked on")
    return CheckReport({key: made.facts[key] for key in kept}, made.findings)


def check_method(subject: str, lm: str | LanguageModel | None, site: str | None, device: str) -> CheckReport:
    """Fit a concept method on a toy lesson and check what comes of it."""
    from saebench.baselines.concepts.conformance import check_concept, toy_lesson
    from saebench.lm.fakes import tiny_model
    from saebench.lm.model import load_model

    method = method_of(parse(subject))
    if lm is not None and site is None:
        raise UsageError(f"'{subject}' can be fitted at any site: name one with --site")
    named = load_model(lm, device=device) if isinstance(lm, str) else lm
    model = named or tiny_model("llama")
    where = site or f"blocks.{model.n_layers // 2}.hook_resid_post"
    facts = {
        "subject": subject,
        "kind": "concept method",
        "method": method.label(),
        "role": method.role,
        "site": where,
        "fingerprint": digest(method.recipe()),
        "checked on": f"a toy lesson read by {model.name}",
    }
    return CheckReport(facts, tuple(check_concept(method, toy_lesson(model, where))))


def sample_activations(lm: LanguageModel, site: str) -> Tensor:
    """Activations `[n, width]` of a few sentences, the first position left out, on the CPU in fp32."""
    ids = lm.tokenizer(SAMPLE, add_special_tokens=False)["input_ids"]
    tokens = torch.tensor([[lm.bos_id, *ids]], device=lm.device)
    return lm.capture(tokens, [site])[site][0, 1:].float().cpu()
