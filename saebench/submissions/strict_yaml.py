"""YAML of a stranger: `yaml.safe_load`, after its events were looked at.

Refused: more than 64 KiB, deep nesting, anchors and aliases (an alias bomb is a few lines), tags, several documents,
and a key twice in one mapping.
"""

from __future__ import annotations

from typing import Any

import yaml

from saebench.submissions import limits
from saebench.submissions.layout import too_large
from saebench.submissions.refusing import refusal, shown
from saebench.submissions.strict_json import require_plain

Event = yaml.events.Event


def parse_yaml(data: bytes, file: str) -> dict[str, Any]:
    """The mapping that a YAML file holds.

    Raises:
        SubmissionError: it is not YAML, no mapping, or breaks a rule above; `file` names it.
    """
    if len(data) > limits.YAML_BYTES:
        raise refusal(too_large("it", limits.YAML_BYTES), file)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refusal("not UTF-8 text", file) from error
    try:
        _check_events(text, file)
        _check_keys(yaml.compose(text, Loader=yaml.SafeLoader), file)
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise refusal(f"not YAML: {shown(' '.join(str(error).split()))}", file) from error
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise refusal("it must hold fields with values", file)
    require_plain(value, file)
    return value


def _check_events(text: str, file: str) -> None:
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if getattr(event, "anchor", None) is not None:
            raise refusal("anchors and aliases are not taken", file, remedy="write the value out")
        if getattr(event, "tag", None) is not None:
            raise refusal("tags (!...) are not taken", file, remedy="write plain text, numbers, lists and fields")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        documents += isinstance(event, yaml.DocumentStartEvent)
        if depth > limits.YAML_DEPTH:
            raise refusal(f"nested deeper than {limits.YAML_DEPTH} levels", file)
        if documents > 1:
            raise refusal("several documents in one file", file)


def _check_keys(node: yaml.Node | None, file: str) -> None:
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(keys) < len(node.value):
            raise refusal("a key that is no text", file)
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            raise refusal("is there twice", file, twice)
        for _, value in node.value:
            _check_keys(value, file)
    elif isinstance(node, yaml.SequenceNode):
        for one in node.value:
            _check_keys(one, file)
