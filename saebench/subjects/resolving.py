"""From a specification to what is scored."""

from __future__ import annotations

from dataclasses import replace

from saebench.errors import UsageError
from saebench.fingerprint import digest
from saebench.subjects.groups import group_name, members_of
from saebench.subjects.makers import BASELINES, CONTROLS
from saebench.subjects.scored import ConceptSubject, DictionarySubject, GroupSubject, ScoredSubject, tell_apart
from saebench.subjects.spec import GROUPS, Spec, parse
from saebench.subjects.stage import Stage
from saebench.subjects.stored import load_dictionary, stored


def resolve(text: str, stage: Stage) -> ScoredSubject:
    """The subject that `text` names, at the stage's site.

    Raises:
        as `resolve_one`, and UsageError for a set or pair of the wrong size.
    """
    spec = parse(text)
    if spec.prefix in GROUPS:
        return resolve_group(text, stage)
    if spec.prefix in {"control", "baseline"}:
        return made_from(spec, stage)
    return resolve_one(text, stage)


def resolve_one(text: str, stage: Stage) -> DictionarySubject:
    """The dictionary that `text` names, at the stage's site.

    Raises:
        UnknownName: unknown prefix, control or baseline.
        UsageError: it names no single dictionary.
        CheckpointError: a checkpoint cannot be read or is not sound.
        SiteError: a dictionary was trained at another site, or its width does not fit the site.
    """
    spec = parse(text)
    if spec.prefix in {"control", "baseline"}:
        made = made_from(spec, stage)
        if isinstance(made, ConceptSubject):
            raise UsageError(f"'{text}' is a concept method: it cannot be a member of another subject")
        return made
    if spec.prefix in GROUPS:
        raise UsageError(f"'{text}' is a {spec.prefix}: it cannot be a member of another subject")
    if spec.prefix == "recipe":
        raise UsageError(f"'{text}': no task of this version scores a recipe; train it and name the dictionary")
    return stored(text, stage)


def made_from(spec: Spec, stage: Stage) -> DictionarySubject | ConceptSubject:
    """What a control or baseline is at the stage's site."""
    makers = CONTROLS if spec.prefix == "control" else BASELINES
    return makers.get(spec.body)(spec, stage)


def resolve_group(text: str, stage: Stage) -> GroupSubject:
    """A set or pair with its members; the second of a pair stands at the site that it names for itself.

    Raises:
        as `resolve_one`, for each member.
        UsageError: as `members_of`.
    """
    kind = parse(text).prefix
    first, *others = members_of(text)
    members = [resolve_one(first, stage)]
    for other in others:
        own = site_of(other) if kind == "pair" else None
        members.append(resolve_one(other, replace(stage, site=own or stage.site)))
    if kind == "pair":
        tell_apart(members)
    stamps = [[member.fingerprint, member.site] for member in members]
    roles = {member.role for member in members}
    return GroupSubject(
        spec=f"{kind}:{','.join(member.spec for member in members)}",
        name=group_name(kind, [member.name for member in members]),
        kind=kind,
        site=stage.site,
        fingerprint=digest({kind: sorted(stamps) if kind == "set" else stamps}),
        members=tuple(members),
        role=roles.pop() if len(roles) == 1 else None,
    )


def site_of(text: str) -> str | None:
    """The site that a stored dictionary names for itself; None for controls, baselines and silent checkpoints.

    A permuted dictionary belongs where the one does that it permutes, a set or pair where its first one does.
    """
    spec = parse(text)
    if spec.prefix == "control" and "of" in spec.parameters:
        return site_of(spec.parameters["of"])
    if spec.prefix in GROUPS:
        return next((site for site in map(site_of, members_of(text)) if site is not None), None)
    if spec.prefix in {"control", "baseline", "recipe"}:
        return None
    sites = load_dictionary(text).sites_in
    return sites[0] if sites and sites[0] else None
