"""Dictionaries that exist already: on disk, on a hub, or in memory."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING

from saebench.errors import SiteError, UsageError
from saebench.lm.synthetic.presets import is_synthetic
from saebench.subjects.scored import DictionarySubject
from saebench.subjects.spec import FORMATS, GROUPS, expect_parameters, parse, short_name
from saebench.subjects.stage import Stage

if TYPE_CHECKING:
    from saebench.dictionaries.contract import Dictionary
    from saebench.lm.model import LanguageModel


def load_dictionary(text: str) -> Dictionary:
    """The dictionary that a path or a foreign specification names.

    Raises:
        CheckpointError: it cannot be read or is not sound.
        UsageError: the specification names a control or baseline, which needs a model and data.
    """
    from saebench.dictionaries import foreign

    spec = parse(text)
    if spec.prefix in FORMATS:
        expect_parameters(spec, ())
    if spec.prefix == "path":
        return foreign.load_any(Path(spec.body))
    if spec.prefix == "hf":
        return foreign.load_any(foreign.download(spec.body))
    if spec.prefix in FORMATS:
        return foreign.load_foreign(spec.body, spec.prefix)
    if spec.prefix in GROUPS:
        raise UsageError(f"'{text}' names several dictionaries: name one of them")
    raise UsageError(
        f"'{text}' is made from a model and data: score it with 'saebench run', "
        "or keep it with saebench.fit and saebench.save"
    )


def stored(text: str, stage: Stage) -> DictionarySubject:
    """A dictionary that lies on disk or on a hub."""
    dictionary = load_dictionary(text)
    require_site(dictionary, stage.lm, stage.site, text)
    return DictionarySubject(
        spec=text,
        name=short_name(text),
        site=stage.site,
        fingerprint=dictionary.fingerprint(),
        architecture=dictionary.provenance.architecture,
        make=lambda: load_dictionary(text),
        device=stage.lm.device,
        dtype=stage.lm.dtype,
    )


def of_object(dictionary: Dictionary, stage: Stage) -> DictionarySubject:
    """A dictionary that is already in memory."""
    name = dictionary.provenance.architecture
    require_site(dictionary, stage.lm, stage.site, name)
    fingerprint = dictionary.fingerprint()
    return DictionarySubject(
        spec=f"memory:{name}-{fingerprint[:8]}",
        name=f"{name}-{fingerprint[:8]}",
        site=stage.site,
        fingerprint=fingerprint,
        architecture=name,
        make=lambda: deepcopy(dictionary),
        device=stage.lm.device,
        dtype=stage.lm.dtype,
    )


def require_site(dictionary: Dictionary, lm: LanguageModel, site: str, source: str) -> None:
    """Refuse a dictionary that does not belong to a site.

    Raises:
        SiteError: its provenance names another site, or another synthetic world, or its widths are not the site's.
    """
    declared = tuple(name for name in dictionary.sites_in if name)
    if declared and site not in declared:
        raise SiteError(
            f"the dictionary was trained at {', '.join(declared)}, not at {site}",
            file=source,
            field="site",
            remedy=f"run with --site {declared[0]}",
        )
    width = lm.site(site).width
    for field_name, value in (("d_in", dictionary.d_in), ("d_out", dictionary.d_out)):
        if value != width:
            raise SiteError(
                f"the dictionary has {field_name} {value}, {site} of {lm.name} has width {width}",
                file=source,
                field=field_name,
                remedy="name the model and site that it was trained on",
            )
    trained_on = dictionary.provenance.lm_weights_hash
    if is_synthetic(lm.name) and trained_on not in (None, lm.weights_hash):
        raise SiteError(
            f"the dictionary was trained on {dictionary.provenance.lm} of other features than {lm.name} has here",
            file=source,
            field="lm_weights_hash",
            remedy="train it again on this world: features of two worlds have nothing in common",
        )
