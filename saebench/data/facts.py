"""Facts: entities with attributes, and templates that ask a language model for one attribute of one entity.

`facts("cities")` and `facts("countries")` come from GeoNames; `facts("PATH#city")` reads an entity type of RAVEL's own
files (Huang et al. 2024), where PATH is the folder or the data.tgz. Entities and templates each belong to one side,
"train" or "test": a test fact is about an unseen entity in unseen words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from saebench.errors import DataError, UnknownName
from saebench.fingerprint import digest
from saebench.progress import Progress
from saebench.registry import near_misses

Side = Literal["train", "test"]
SIDES: tuple[Side, Side] = ("train", "test")
SLOT = "%s"
"""Where a template takes the entity's name."""


@dataclass(frozen=True)
class Entity:
    """One thing that facts are about.

    Attributes:
        name: as it stands in a prompt.
        values: attribute to value; an attribute that the source does not know is absent.
        side: where the data split their entities themselves.
    """

    name: str
    values: Mapping[str, str]
    side: Side | None = None


@dataclass(frozen=True)
class Template:
    """One way to ask: `text` holds the slot once, and the value of `attribute` is what comes next."""

    attribute: str
    text: str
    side: Side

    def prompt(self, entity: str) -> tuple[str, int, int]:
        """The text for an entity, and where its name begins and ends in it, in characters."""
        before, _, after = self.text.partition(SLOT)
        return before + entity + after, len(before), len(before) + len(entity)

    @property
    def joint(self) -> str:
        """What stands between text and value: nothing after an opening quote, bracket or blank, else a blank."""
        return "" if self.text[-1] in " \"'([{" else " "


@dataclass(frozen=True)
class Facts:
    """A set of entities of one type.

    Attributes:
        name: what suites and tables call it.
        licence, revision: of the facts.
        entities: the best known first, where the source tells.
        templates: several an attribute, on both sides.
    """

    name: str
    licence: str
    revision: str
    entities: tuple[Entity, ...]
    templates: tuple[Template, ...]

    @property
    def attributes(self) -> tuple[str, ...]:
        """Attributes that some template asks for, in the order of the templates."""
        return tuple(dict.fromkeys(template.attribute for template in self.templates))

    def fingerprint(self) -> str:
        """32 hex digits over entities in their order, values, templates and given sides."""
        return digest(
            {
                "entities": [[one.name, sorted(one.values.items()), one.side] for one in self.entities],
                "templates": [[one.attribute, one.text, one.side] for one in self.templates],
                "version": 1,
            }
        )

    def sides(self, seed: int, test_share: float) -> dict[str, Side]:
        """The side of each entity: the data's own, else by the hash of seed and name, `test_share` of them tested."""
        return {one.name: one.side or _side(one.name, seed, test_share) for one in self.entities}


def _side(name: str, seed: int, test_share: float) -> Side:
    place = int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:8], "big") / 2**64
    return "test" if place < test_share else "train"


def facts(name: str, progress: Progress | None = None) -> Facts:
    """The facts called `name`: packaged, or `PATH#TYPE` for an entity type of RAVEL's own files.

    Raises:
        UnknownName: neither; with near misses.
        DataError: the files cannot be read or do not hold that entity type.
        AssetError: packaged facts cannot be fetched.
    """
    from saebench.data.geo_facts import read_cities, read_countries
    from saebench.data.ravel_files import read_ravel

    packaged: dict[str, Callable[[Progress | None], Facts]] = {"cities": read_cities, "countries": read_countries}
    if name in packaged:
        return packaged[name](progress)
    path, mark, kind = name.rpartition("#")
    if mark:
        return read_ravel(Path(path).expanduser(), kind)
    raise UnknownName(
        "set of facts",
        name,
        near_misses(name, packaged),
        list(packaged),
        "RAVEL's own files are named as PATH#TYPE, for example data.tgz#city.",
    )


def check_facts(made: Facts, source: Path | str) -> Facts:
    """The same facts, if they are sound.

    Raises:
        DataError: no entity or template, an entity twice, or a template without exactly one slot.
    """
    if not made.entities or not made.templates:
        raise DataError("holds no entity" if made.templates else "holds no template", file=source)
    names = [one.name for one in made.entities]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"holds the entity '{twice}' twice", file=source)
    for template in made.templates:
        if template.text.count(SLOT) != 1:
            raise DataError(f"a template needs '{SLOT}' once: {template.text!r}", file=source, field=template.attribute)
    return made
