"""JSON of a stranger: measured before it is parsed, and without anything that standard JSON leaves open.

Refused: other encodings than UTF-8, deep nesting, long texts and numbers, NaN and infinities, a key twice in one
object, texts with lone surrogates, control characters or marks that turn the reading direction.
"""

from __future__ import annotations

import json
import re
from typing import Any, Never

from saebench.submissions import limits
from saebench.submissions.layout import too_large
from saebench.submissions.refusing import refusal, shown

STRING = re.compile(rb'"(?:[^"\\\x00-\x1f]|\\.)*+(?:"|(.*))', re.DOTALL)
"""A string, or in group 1 what follows the start of one that never ends. Possessive, so that it reads data once."""
LONG_NUMBER = re.compile(rb"[-+.0-9eE]{%d,}" % (limits.DIGITS + 1))
NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
UNWANTED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
)
"""Control characters, marks of direction, line separators, and halves of characters."""


def parse_json(data: bytes, file: str, most: int) -> Any:
    """The value that one JSON document of at most `most` bytes holds.

    Raises:
        SubmissionError: it is not JSON, or breaks a rule above; `file` names it.
    """
    if len(data) > most:
        raise refusal(too_large("it", most), file)
    measure(data, file, limits.JSON_DEPTH)
    value = decode(data, file)
    require_plain(value, file)
    return value


def measure(data: bytes, file: str, depth: int) -> None:
    """Check the lengths of texts and numbers and the depth of nesting, without parsing.

    Raises:
        SubmissionError: one is exceeded, or a text does not end.
    """
    # An escape is six bytes a character, UTF-8 at most four.
    most = 6 * limits.TEXT + 2
    for match in STRING.finditer(data):
        if match[1] is not None:
            raise refusal("not JSON: a text does not end", file)
        if match.end() - match.start() > most:
            raise refusal(f"a text of more than {limits.TEXT:,} characters", file)
    outside = STRING.sub(b"", data)
    if LONG_NUMBER.search(outside):
        raise refusal(f"a number of more than {limits.DIGITS} characters", file)
    deep = 0
    for bracket in outside.translate(None, NOT_BRACKETS):
        deep += 1 if bracket in b"[{" else -1
        if deep > depth:
            raise refusal(f"nested deeper than {depth} levels", file)


def decode(data: bytes, file: str) -> Any:
    """The value of a document that `measure` has passed.

    Raises:
        SubmissionError: it is not JSON, or has a key twice in one object.
    """
    try:
        return DECODER.decode(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise refusal("not UTF-8 text", file) from error
    except ValueError as error:
        raise refusal(f"not JSON: {shown(str(error))}", file) from error


def require_plain(value: Any, file: str, place: str = "") -> None:
    """Check every text and number of a parsed value, whose depth is bounded.

    Raises:
        SubmissionError: naming the path to it.
    """
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise refusal("a key that is no text", file, place)
            require_text(key, file, place)
            require_plain(inner, file, f"{place}.{key}".lstrip("."))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            require_plain(inner, file, f"{place}.{index}".lstrip("."))
    elif isinstance(value, str):
        require_text(value, file, place)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        require_number(value, file, place)


def require_text(text: str, file: str, field: str, most: int = limits.TEXT) -> None:
    """Check one text.

    Raises:
        SubmissionError: it is too long, or holds characters that deceive or break a reader.
    """
    if len(text) > most:
        raise refusal(f"a text of more than {most:,} characters", file, field)
    if UNWANTED.search(text):
        raise refusal(f"'{shown(text)}' holds control characters or marks of direction", file, field)


def require_number(number: float, file: str, field: str) -> None:
    """Check one number.

    Raises:
        SubmissionError: it is not finite, or out of all proportion.
    """
    if not abs(number) <= limits.LARGEST:
        raise refusal(f"a number beyond {limits.LARGEST:.0e}", file, field)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key '{next(key for key in keys if keys.count(key) > 1)}' is twice in one object")
    return made


def _constant(name: str) -> Never:
    raise ValueError(f"{name} is no number; an undefined value is null with a reason")


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
