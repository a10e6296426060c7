"""From what a user writes to what is scored: subject specifications, resolved to identity first.

A subject's fingerprint is known before anything is fitted: a dictionary on disk is fingerprinted by its tensors,
a fitted baseline or control by its recipe and the data it is fitted on. Grammar: `PREFIX:BODY?key=value&...`, or
a path; see `PREFIXES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saebench.errors import SiteError, UnknownName, UsageError
from saebench.fingerprint import digest
from saebench.registry import Registry, near_misses

if TYPE_CHECKING:
    import torch

    from saebench.activations.sets import ActivationSet
    from saebench.dictionaries.contract import Dictionary
    from saebench.lm.model import LanguageModel
    from saebench.tasks.contract import Role

FORMATS = ("sae_lens", "hf", "dictionary_learning", "sparsify")
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

    def origin(self, part: str) -> dict[str, str]:
        """What identifies activations of a part: they are the fit data of a baseline."""
        data = self.evaluated_fingerprint if part == "eval" else self.fit_fingerprint
        return {"lm": self.lm.fingerprint, "data": data, "site": self.site, "dtype": str(self.lm.dtype)}


@dataclass
class DictionarySubject:
    """One dictionary to score; `make` builds it on first use and `release` lets it go."""

    spec: str
    name: str
    site: str
    fingerprint: str
    architecture: str
    make: Callable[[], Dictionary]
    device: torch.device
    dtype: torch.dtype
    role: Role | None = None
    kind: str = "dictionary"
    _made: Dictionary | None = None

    @property
    def members(self) -> tuple[DictionarySubject, ...]:
        """Itself."""
        return (self,)

    def dictionary(self) -> Dictionary:
        """The dictionary on the model's device and dtype."""
        if self._made is None:
            self._made = self.make().to(self.device, self.dtype)
        return self._made

    def release(self) -> None:
        """Forget the tensors; the next `dictionary()` makes them again."""
        self._made = None


@dataclass
class GroupSubject:
    """Dictionaries that are scored together: a set that differs in training seed alone, or a pair, in order."""

    spec: str
    name: str
    kind: str
    """set or pair."""
    site: str
    """Of the first member; the second of a pair may have one of its own."""
    fingerprint: str
    members: tuple[DictionarySubject, ...]
    role: Role | None = None
    """The members' role, where all have the same."""

    @property
    def architecture(self) -> str:
        """The members' architecture; all of them where they differ."""
        return "+".join(dict.fromkeys(member.architecture for member in self.members))

    def dictionary(self) -> Dictionary:
        """It has several.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"{self.spec} has {len(self.members)} dictionaries: ask its members")

    def release(self) -> None:
        """Forget the tensors of all members."""
        for member in self.members:
            member.release()


ScoredSubject = DictionarySubject | GroupSubject

Maker = Callable[[Spec, Stage], DictionarySubject]
CONTROLS: Registry[Maker] = Registry("control", None, remedy="Controls are listed by 'saebench ls baselines'.")
BASELINES: Registry[Maker] = Registry("baseline", "saebench.baselines")


def parse(text: str) -> Spec:
    """Split a specification.

    Raises:
        UnknownName: the prefix is none of `PREFIXES`.
        UsageError: the body is empty.
    """
    prefix, colon, rest = text.partition(":")
    if not colon or "/" in prefix or "\\" in prefix or len(prefix) == 1 or Path(text).exists():
        return Spec(text, "path", text)
    if prefix not in PREFIXES:
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
    raise UsageError(f"'{text}' is made from a model and data: score it with 'saebench run', it cannot be loaded alone")


def kind_of(text: str) -> str:
    """What kind of subject `text` names: dictionary, set, pair or recipe."""
    prefix = parse(text).prefix
    return prefix if prefix in {*GROUPS, "recipe"} else "dictionary"


def resolve(text: str, stage: Stage) -> ScoredSubject:
    """The subject that `text` names, at the stage's site.

    Raises:
        as `resolve_one`, and UsageError for a set or pair of the wrong size.
    """
    return resolve_group(text, stage) if parse(text).prefix in GROUPS else resolve_one(text, stage)


def members_of(text: str) -> list[str]:
    """Specifications of the members of a set or pair; a path whose last part has a `*` stands for all that match.

    Raises:
        UsageError: fewer than two members, a pair that is not two, a member named twice, or a pattern without a match.
    """
    spec = parse(text)
    members: list[str] = []
    for part in spec.body.split(","):
        where = Path(part)
        found = sorted(map(str, where.parent.glob(where.name))) if "*" in where.name else [part]
        if not part or not found:
            raise UsageError(f"subject '{text}': nothing is called '{part}'")
        members += found
    if len(set(members)) < len(members):
        raise UsageError(f"subject '{text}' names a member twice")
    if len(members) < 2 or (spec.prefix == "pair" and len(members) > 2):
        raise UsageError(f"subject '{text}' has {len(members)} members: write {spec.prefix}:A,B")
    return members


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


def group_name(kind: str, names: Sequence[str]) -> str:
    """A name for tables: what the names of a set begin with and how many they are, or both names of a pair."""
    if kind == "pair":
        return " ~ ".join(names)
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    shared = "".join(letters[0] for letters in alike).rstrip("0123456789")
    return f"{shared.removesuffix('seed').removesuffix('s').rstrip('-_.') or kind} x{len(names)}"


def resolve_one(text: str, stage: Stage) -> DictionarySubject:
    """The dictionary that `text` names, at the stage's site.

    Raises:
        UnknownName: unknown prefix, control or baseline.
        CheckpointError: a checkpoint cannot be read or is not sound.
        SiteError: a dictionary was trained at another site, or its width does not fit the site.
    """
    spec = parse(text)
    if spec.prefix == "control":
        return CONTROLS.get(spec.body)(spec, stage)
    if spec.prefix == "baseline":
        return BASELINES.get(spec.body)(spec, stage)
    if spec.prefix in GROUPS:
        raise UsageError(f"'{text}' is a {spec.prefix}: it cannot be a member of another subject")
    if spec.prefix == "recipe":
        raise UsageError(f"'{text}': no task of this version scores a recipe; train it and name the dictionary")
    return stored(text, stage)


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
        SiteError: its provenance names another site, or its widths are not the site's.
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


def short_name(text: str) -> str:
    """A name for tables: the last part of a path or specification."""
    return parse(text).body.rstrip("/").split("/")[-1] or text


def whole(spec: Spec, key: str, stage: Stage, fallback: int | None = None) -> int:
    """An integer parameter of a specification, else the suite's default.

    Raises:
        UsageError: it is no positive integer, or neither given nor a default.
    """
    text = spec.parameters.get(key)
    value = stage.defaults.get(key, fallback) if text is None else text
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise UsageError(f"subject '{spec.text}': {key} must be a whole number, not {value!r}") from None
    if number < 0:
        raise UsageError(f"subject '{spec.text}': {key} must not be negative")
    return number


def expect_parameters(spec: Spec, allowed: tuple[str, ...]) -> None:
    """Refuse parameters that a control does not have.

    Raises:
        UsageError: naming the first unknown one.
    """
    for key in spec.parameters:
        if key not in allowed:
            known = ", ".join(allowed) or "none"
            raise UsageError(f"subject '{spec.text}': no parameter '{key}' (it has: {known})")


@CONTROLS.register("identity")
def identity(spec: Spec, stage: Stage) -> DictionarySubject:
    """Gives back its input: the oracle of every reconstruction metric."""
    from saebench.baselines.controls import Identity

    expect_parameters(spec, ())
    width = stage.lm.site(stage.site).width
    recipe = {"control": "identity", "d": width}
    return _made(spec.text, "identity", stage, recipe, "identity", lambda: Identity(width))


@CONTROLS.register("mean")
def mean(spec: Spec, stage: Stage) -> DictionarySubject:
    """Predicts the mean of the evaluated unmasked tokens, whatever the input."""
    from saebench.baselines.controls import MeanOnly

    expect_parameters(spec, ())
    recipe = {"control": "mean", "of": stage.origin("eval")}
    return _made(spec.text, "mean", stage, recipe, "mean", lambda: MeanOnly(stage.evaluated(stage.site).mean()))


@CONTROLS.register("random")
@BASELINES.register("random")
def random(spec: Spec, stage: Stage) -> DictionarySubject:
    """Random atoms with exactly `l0` active latents a token."""
    from saebench.baselines.controls import RandomDictionary

    expect_parameters(spec, ("d_dict", "l0", "seed"))
    width = stage.lm.site(stage.site).width
    d_dict, l0, seed = (whole(spec, key, stage, 0 if key == "seed" else None) for key in ("d_dict", "l0", "seed"))
    recipe = {"control": "random", "d_dict": d_dict, "l0": l0, "seed": seed, "centre": stage.origin("fit")}

    def make() -> Dictionary:
        return RandomDictionary(width, d_dict, l0, seed, stage.fitted_on(stage.site).mean())

    text = f"control:random?d_dict={d_dict}&l0={l0}&seed={seed}"
    return _made(text, f"random-{d_dict}-l0-{l0}-s{seed}", stage, recipe, "random", make)


@CONTROLS.register("permuted")
def permuted(spec: Spec, stage: Stage) -> DictionarySubject:
    """The codes of a dictionary with its atoms handed to other latents."""
    from saebench.baselines.controls import PermutedDecoder

    expect_parameters(spec, ("of", "seed"))
    if "of" not in spec.parameters:
        raise UsageError(f"subject '{spec.text}' needs the dictionary to permute: control:permuted?of=SUBJECT")
    seed = whole(spec, "seed", stage, 0)
    parent = resolve_one(spec.parameters["of"], stage)
    recipe = {"control": "permuted", "of": parent.fingerprint, "seed": seed}

    def make() -> Dictionary:
        return PermutedDecoder(parent.make(), seed)

    text = f"control:permuted?seed={seed}&of={parent.spec}"
    return _made(text, f"permuted-{parent.name}", stage, recipe, "permuted", make)


@CONTROLS.register("oracle")
def oracle(spec: Spec, stage: Stage) -> DictionarySubject:
    """The true features of a synthetic world."""
    from saebench.baselines.oracle import Oracle
    from saebench.lm.synthetic.model import SyntheticModel
    from saebench.lm.synthetic.tokenizer import sample_numbers

    expect_parameters(spec, ())
    lm = stage.lm
    if not isinstance(lm, SyntheticModel):
        raise UsageError(
            f"subject '{spec.text}': nobody knows the true features of {lm.name}; "
            "the oracle is for synthetic worlds (--lm synthetic:small)"
        )

    def make() -> Dictionary:
        known = Oracle.of(lm.world)
        rows = stage.evaluated(stage.site).rows
        known.table.expect(sample_numbers(rows.tokens[rows.mask]))
        return known

    return _made(spec.text, "oracle", stage, {"control": "oracle", "lm": lm.fingerprint}, "oracle", make)


@BASELINES.register("pca")
def pca(spec: Spec, stage: Stage) -> DictionarySubject:
    """The first `l0` principal components of the training activations."""
    from saebench.baselines.pca import PrincipalComponents

    expect_parameters(spec, ("l0",))
    l0 = whole(spec, "l0", stage)
    width = stage.lm.site(stage.site).width
    if not 0 < l0 <= width:
        raise UsageError(f"subject '{spec.text}': l0 must lie between 1 and the width of the site, {width}")
    recipe = {"baseline": "pca", "l0": l0, "of": stage.origin("fit")}

    def make() -> Dictionary:
        data = stage.fitted_on(stage.site)
        return PrincipalComponents.fit(data.mean(), data.covariance(), l0)

    return _made(f"baseline:pca?l0={l0}", f"pca-l0-{l0}", stage, recipe, None, make)


def _made(
    text: str,
    name: str,
    stage: Stage,
    recipe: Mapping[str, Any],
    role: Role | None,
    make: Callable[[], Dictionary],
) -> DictionarySubject:
    return DictionarySubject(
        spec=text,
        name=name,
        site=stage.site,
        fingerprint=digest(recipe),
        architecture=str(recipe.get("control") or recipe.get("baseline")),
        make=make,
        device=stage.lm.device,
        dtype=stage.lm.dtype,
        role=role,
    )


def distinct(subjects: list[ScoredSubject]) -> list[ScoredSubject]:
    """Each subject once, by fingerprint, under names that a table can tell apart."""
    kept = list({subject.fingerprint: subject for subject in reversed(subjects)}.values())[::-1]
    names = [subject.name for subject in kept]
    for subject in kept:
        if names.count(subject.name) > 1:
            parts = [] if subject.kind in GROUPS else parse(subject.spec).body.rstrip("/").split("/")
            subject.name = "-".join(parts[-2:]) if len(parts) > 1 else f"{subject.name}-{subject.fingerprint[:6]}"
    return kept
