"""Facts as prompts of one tokenizer: token ids, the place of the entity's last token, the ids of the answer."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from saebench.data.facts import SIDES, SLOT, Entity, Facts, Side, Template
from saebench.data.layout import begin_and_pad
from saebench.errors import DataError
from saebench.fingerprint import digest


@dataclass(frozen=True)
class Prompt:
    """A question about one attribute of one entity.

    Attributes:
        value: the right answer, as text.
        ids: of the text, without a begin-of-text token.
        place: which of `ids` is the last one of the entity's name.
        answer: ids of the value behind the text.
    """

    entity: str
    attribute: str
    side: Side
    template: Template
    text: str
    value: str
    ids: tuple[int, ...]
    place: int
    answer: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Prompts:
    """All prompts of a set of facts.

    Attributes:
        listed: in a fixed order.
        begin: id of the begin-of-text token that every row starts with.
        dropped: reason to number of questions that this tokenizer cannot ask.
    """

    facts: Facts
    listed: tuple[Prompt, ...]
    tokenizer: Any
    begin: int
    dropped: Mapping[str, int]
    _firsts: dict[tuple[str, str], int | None] = field(default_factory=dict)

    @cached_property
    def fingerprint(self) -> str:
        """32 hex digits over ids, places and answers."""
        return digest([self.begin, [[one.ids, one.place, one.answer, one.side] for one in self.listed]])

    def first(self, prompt: Prompt, value: str) -> int | None:
        """The first id of a value behind the text of a prompt; None where text and value melt into one token."""
        key = (prompt.text, value)
        if key not in self._firsts:
            (ids,) = encoded(self.tokenizer, [prompt.text + prompt.template.joint + value])["input_ids"]
            behind = _behind(ids, prompt.ids)
            self._firsts[key] = behind[0] if behind else None
        return self._firsts[key]


def ask(
    facts: Facts,
    tokenizer: Any,
    *,
    attributes: Sequence[str],
    max_entities: int,
    max_templates: int,
    context: int,
    test_share: float,
    seed: int,
) -> Prompts:
    """Every template of a side about every entity of that side.

    A question is left out where the entity's name stands in the template itself, where the row would be longer than
    `context`, where a special id occurs, or where text and answer are not tokenised as one behind the other.

    Args:
        facts: the set.
        tokenizer: a fast Hugging Face tokenizer.
        attributes: those that are asked about; none: all.
        max_entities: the first ones of the set.
        max_templates: of one attribute and side; those of the smallest hash of seed and text.
        context: longest row, begin-of-text token and answer included.
        test_share, seed: decide the side of an entity where the facts do not.

    Raises:
        DataError: the tokenizer does not say where its tokens stand in the text.
    """
    if not tokenizer.is_fast:
        raise DataError("gives no character offsets, which find the entity's last token", field="tokenizer")
    begin, _ = begin_and_pad(tokenizer)
    special = set(tokenizer.all_special_ids)
    sides = facts.sides(seed, test_share)
    asked = [one for one in facts.attributes if not attributes or one in attributes]
    templates = {
        (attribute, side): _chosen(facts, attribute, side, max_templates, seed) for attribute in asked for side in SIDES
    }
    questions = [
        (entity, template, *template.prompt(entity.name))
        for entity in facts.entities[:max_entities]
        for attribute in asked
        if attribute in entity.values
        for template in templates[attribute, sides[entity.name]]
    ]
    texts = encoded(tokenizer, [text for _, _, text, _, _ in questions], offsets=True)
    joint = encoded(
        tokenizer,
        [text + template.joint + entity.values[template.attribute] for entity, template, text, _, _ in questions],
    )["input_ids"]
    listed = []
    dropped: Counter[str] = Counter()
    for (entity, template, text, start, stop), ids, offsets, whole in zip(
        questions, texts["input_ids"], texts["offset_mapping"], joint, strict=True
    ):
        place = _last_inside(offsets, start, stop)
        reason = _unfit(entity, template, ids, whole, place, special, context)
        if reason or place is None:
            dropped[reason] += 1
            continue
        listed.append(
            Prompt(
                entity.name,
                template.attribute,
                sides[entity.name],
                template,
                text,
                entity.values[template.attribute],
                tuple(ids),
                place,
                tuple(whole[len(ids) :]),
            )
        )
    return Prompts(facts, tuple(listed), tokenizer, begin, dict(sorted(dropped.items())))


def _chosen(facts: Facts, attribute: str, side: Side, most: int, seed: int) -> list[Template]:
    def key(template: Template) -> bytes:
        return hashlib.sha256(f"{seed}:{template.text}".encode()).digest()

    found = [one for one in facts.templates if one.attribute == attribute and one.side == side]
    return sorted(found, key=key)[:most]


def _unfit(
    entity: Entity,
    template: Template,
    ids: Sequence[int],
    whole: Sequence[int],
    place: int | None,
    special: set[int],
    context: int,
) -> str:
    if entity.name in template.text.replace(SLOT, ""):
        return "the template names the entity itself"
    if place is None:
        return "no token of the entity's own"
    if 1 + len(whole) > context:
        return "longer than the context"
    if special & set(whole):
        return "special ids in the text"
    return "" if _behind(whole, ids) else "text and answer melt into one token"


def _behind(whole: Sequence[int], ids: Sequence[int]) -> tuple[int, ...]:
    """What follows `ids` in `whole`; nothing where `whole` does not begin with them."""
    return tuple(whole[len(ids) :]) if list(whole[: len(ids)]) == list(ids) else ()


def _last_inside(offsets: Sequence[tuple[int, int]], start: int, stop: int) -> int | None:
    """The last token that covers a character between `start` and `stop`."""
    inside = [index for index, (left, right) in enumerate(offsets) if left < stop and right > start and left < right]
    return inside[-1] if inside else None


def encoded(tokenizer: Any, texts: Sequence[str], *, offsets: bool = False) -> Any:
    """Ids of texts as they are: no special token is added, and none is read out of a text."""
    if not texts:
        return {"input_ids": [], "offset_mapping": []}
    return tokenizer(
        list(texts),
        add_special_tokens=False,
        split_special_tokens=True,
        return_attention_mask=False,
        return_token_type_ids=False,
        return_offsets_mapping=offsets,
        verbose=False,
    )
