"""How a judge is named::

    openai:URL#MODEL[?key=VARIABLE&timeout=60&attempts=5&parallel=4]
    hf:NAME
    replay:FILE

`URL` is the base address of an OpenAI-compatible endpoint ("https://api.openai.com/v1", "http://localhost:8000/v1") and
`VARIABLE` the environment variable that holds its key: the key itself is never written anywhere. `timeout` is in
seconds, `attempts` counts how often one question is asked, `parallel` how many are under way at once. `NAME` is an
instruct model as `--lm` takes it: packaged ("smollm2-135m-instruct"), a local folder or a hub id. `FILE` holds recorded
exchanges (``judges/`` in the cache folder) and is answered from alone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, PlainSerializer

from saebench.errors import UsageError

VARIABLE = "SAEBENCH_JUDGE"
"""Environment variable that names the judge where a suite names none."""
NUMBERS = {"timeout": 60.0, "attempts": 5.0, "parallel": 4.0}
"""Settings of an endpoint that are numbers, with their defaults."""
FORMS = "openai:URL#MODEL?key=VARIABLE, hf:NAME or replay:FILE"


@dataclass(frozen=True)
class JudgeSpec:
    """A parsed name of a judge."""

    kind: Literal["openai", "hf", "replay"]
    where: str
    """Address, model name or file."""
    model: str = ""
    """Of an endpoint."""
    key: str = ""
    """Environment variable that holds the key of an endpoint, "" for none."""
    timeout_s: float = NUMBERS["timeout"]
    attempts: int = int(NUMBERS["attempts"])
    parallel: int = int(NUMBERS["parallel"])

    def identity(self) -> str:
        """Who answers, without what does not decide the answer: see `Judge.identity`.

        Raises:
            InputError: a file of exchanges cannot be read.
        """
        if self.kind == "replay":
            from saebench.judges.exchanges import judge_of

            return judge_of(Path(self.where))[0]
        return f"openai:{urlsplit(self.where).netloc}#{self.model}" if self.kind == "openai" else f"hf:{self.where}"

    def key_value(self) -> str | None:
        """The key, from the environment; None where none is named.

        Raises:
            UsageError: the variable is not set.
        """
        if self.key and not os.environ.get(self.key):
            raise UsageError(f"the environment variable {self.key}, which holds the key of the judge, is not set")
        return os.environ[self.key] if self.key else None


def parse_judge(text: str) -> JudgeSpec:
    """Take the name of a judge apart.

    Raises:
        UsageError: it is none; says what is wrong.
    """
    kind, _, rest = text.partition(":")
    if kind == "openai" and rest:
        return _endpoint(text, rest)
    if kind in {"hf", "replay"} and rest:
        return JudgeSpec("hf" if kind == "hf" else "replay", rest)
    raise UsageError(f"judge '{text}' is none: take {FORMS}")


def _endpoint(text: str, rest: str) -> JudgeSpec:
    url, _, tail = rest.partition("#")
    model, _, query = tail.partition("?")
    address = urlsplit(url)
    if address.username is not None or address.query:
        # Not repeated here: it may be a key.
        raise UsageError("the address of a judge has a user or a query: a key goes into a variable, ?key=VARIABLE")
    if address.scheme not in {"http", "https"} or not address.hostname or not _has_a_port_if_any(address.netloc):
        raise UsageError(f"judge '{text}': '{url}' is not the base address of an endpoint, like https://HOST/v1")
    if not model:
        raise UsageError(f"judge '{text}' names no model: openai:URL#MODEL")
    numbers = dict(NUMBERS)
    key = ""
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        if name == "key" and value:
            key = value
        elif name in numbers and _is_positive(value) and (name == "timeout" or value.isdigit()):
            numbers[name] = float(value)
        else:
            known = ", ".join(["key", *numbers])
            raise UsageError(f"judge '{text}': '{pair}' is no setting with a value (settings: {known})")
    return JudgeSpec("openai", url, model, key, numbers["timeout"], int(numbers["attempts"]), int(numbers["parallel"]))


def _has_a_port_if_any(netloc: str) -> bool:
    _, colon, port = netloc.rpartition(":")
    return not colon or port.isdigit() or port.endswith("]")


def _is_positive(text: str) -> bool:
    try:
        return 0 < float(text) < float("inf")
    except ValueError:
        return False


def _checked(text: str) -> str:
    text = text or os.environ.get(VARIABLE, "")
    if text:
        spec = parse_judge(text)
        spec.identity()
        spec.key_value()
    return text


def _identity(text: str) -> str:
    return parse_judge(text).identity() if text else ""


JudgeName = Annotated[str, AfterValidator(_checked), PlainSerializer(_identity)]
"""A parameter of a task that names a judge; "" stands for what ``SAEBENCH_JUDGE`` names, or for none. It is checked
with the other parameters, and what becomes identity of a result is who answers: neither keys nor timeouts nor the file
of a replay. Declare it with ``Field(default="", validate_default=True)``."""
