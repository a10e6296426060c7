"""The grammar of subject specifications: `PREFIX:BODY?key=value&...`, or a path; see `PREFIXES`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from saebench.baselines.concepts import CONCEPT_CONTROLS, CONCEPTS
from saebench.errors import UnknownName, UsageError
from saebench.registry import near_misses

LOCAL_FORMATS = ("dictionary_learning", "sparsify")
"""Their bodies are paths."""
FORMATS = ("sae_lens", "hf", *LOCAL_FORMATS)
GROUPS = ("set", "pair")
PREFIXES = (*FORMATS, "baseline", "control", *GROUPS, "recipe")


@dataclass(frozen=True)
class Spec:
    """A parsed subject specification."""

    text: str
    prefix: str
    """One of `PREFIXES`, or "path"."""
    body: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse(text: str) -> Spec:
    """Split a specification.

    Raises:
        UnknownName: the prefix is none of `PREFIXES`.
        UsageError: the body is empty.
    """
    prefix, colon, rest = text.partition(":")
    if not colon or "/" in prefix or "\\" in prefix or len(prefix) == 1:
        return Spec(text, "path", text)
    if prefix not in PREFIXES:
        if Path(text).exists():
            return Spec(text, "path", text)
        known = dict.fromkeys(PREFIXES)
        raise UnknownName("subject prefix", prefix, near_misses(prefix, known), PREFIXES, "A path needs no prefix.")
    body, _, query = (rest, "", "") if prefix in GROUPS else rest.partition("?")
    if not body:
        raise UsageError(f"subject '{text}' names nothing after '{prefix}:'")
    return Spec(text, prefix, body, parameters_of(query))


def parameters_of(query: str) -> dict[str, str]:
    """`key=value&key=value`, taken as it stands: paths may hold any character but `&`.

    `of=` names another subject. One with parameters of its own takes all that follows, so it comes last.
    """
    before, found, nested = f"&{query}".partition("&of=")
    own = {}
    if found:
        of, _, after = (nested, "", "") if "?" in nested else nested.partition("&")
        own["of"] = of
        before = f"{before}&{after}"
    pairs = (pair.partition("=") for pair in before.split("&") if pair)
    return {key: value for key, _, value in pairs} | own


def anchored(text: str, folder: Path) -> str:
    """The specification with its relative paths taken from a folder, also those of members and of `of=`."""
    spec = parse(text)
    if spec.prefix == "path":
        return _from(folder, text)
    if spec.prefix in GROUPS:
        return f"{spec.prefix}:" + ",".join(anchored(one, folder) if one else one for one in spec.body.split(","))
    if spec.prefix in LOCAL_FORMATS:
        return f"{spec.prefix}:{_from(folder, spec.body)}"
    nested = spec.parameters.get("of")
    return text.replace(f"of={nested}", f"of={anchored(nested, folder)}", 1) if nested else text


def _from(folder: Path, path: str) -> str:
    """`folder/path` without `..` where that names the same place; through a link a `..` leads elsewhere and stays."""
    whole = folder / path
    short = Path(os.path.normpath(whole))
    return str(short if short.parent.resolve() == whole.parent.resolve() else whole)


def kind_of(text: str) -> str:
    """What kind of subject `text` names: dictionary, concept, set, pair or recipe."""
    spec = parse(text)
    if spec.prefix in {*GROUPS, "recipe"}:
        return spec.prefix
    if spec.prefix == "baseline" and spec.body in CONCEPTS:
        return "concept"
    return "concept" if spec.prefix == "control" and spec.body in CONCEPT_CONTROLS else "dictionary"


def short_name(text: str) -> str:
    """A name for tables: the last part of a path or specification."""
    return parse(text).body.rstrip("/").split("/")[-1] or text


def expect_parameters(spec: Spec, allowed: tuple[str, ...]) -> None:
    """Refuse parameters that a control does not have.

    Raises:
        UsageError: naming the first unknown one.
    """
    for key in spec.parameters:
        if key not in allowed:
            known = ", ".join(allowed) or "none"
            raise UsageError(f"subject '{spec.text}': no parameter '{key}' (it has: {known})")
