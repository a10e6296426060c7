"""A judge behind an OpenAI-compatible endpoint: `POST URL/chat/completions`."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from saebench.errors import InputError, first_line
from saebench.judges.contract import Answer, Question

FIRST_WAIT_S = 1.0
"""Before the second attempt, doubled before each further one; up to as much again is added by chance."""
LONGEST_WAIT_S = 60.0
"""Bound on a wait, whatever `Retry-After` asks for."""
TRANSIENT = frozenset({408, 409, 425, 429})
"""Statuses beside 5xx after which a question is asked again."""
REFUSING = {
    401: "the key is refused: check the variable that ?key= names",
    403: "the key may not use this model: check the variable that ?key= names",
    404: "check the address before '#' and the model after it",
}
"""Statuses that no other question will change."""
GIVE_UP = 8
"""After so many questions in a row without an answer the rest of a call is not asked."""
SHOWN = 200
"""Characters of an endpoint's own message that are kept."""


class _Again(Exception):
    """This attempt failed and another may not. `after` is what the endpoint asks to wait, in seconds."""

    def __init__(self, reason: str, after: float = 0.0) -> None:
        self.after = after
        super().__init__(reason)


class Endpoint:
    """Asks several questions at a time, each again after timeouts, broken connections, rate limits and server errors.

    Args:
        url: base address, to which `/chat/completions` is added.
        model: name of the model.
        key: sent as a bearer token; None sends none.
        timeout_s: longest wait for each step of a request (connecting, sending, each read).
        attempts: how often one question is asked at most.
        parallel: questions under way at once.
        identity: see `Judge`.
    """

    content = ""

    def __init__(
        self, url: str, model: str, key: str | None, *, timeout_s: float, attempts: int, parallel: int, identity: str
    ) -> None:
        self.identity = identity
        self._url, self._model, self._key = url.rstrip("/"), model, key
        self._attempts, self._parallel = attempts, parallel
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._failed_in_row = 0

    def answers(self, questions: Sequence[Question]) -> Iterator[tuple[int, Answer]]:
        """(index, answer) as they come.

        Raises:
            InputError: the endpoint refuses the key or does not know the model.
        """
        self._failed_in_row = 0
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        with (
            httpx.Client(timeout=self._timeout_s, headers=headers) as client,
            ThreadPoolExecutor(self._parallel) as pool,
        ):
            pending = {pool.submit(self._answer, client, question): index for index, question in enumerate(questions)}
            try:
                for done in as_completed(pending):
                    yield pending[done], done.result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _answer(self, client: httpx.Client, question: Question) -> Answer:
        if self._failed_in_row >= GIVE_UP:
            return Answer(None, f"not asked: {GIVE_UP} questions in a row had no answer")
        again = Retrying(
            retry=retry_if_exception_type(_Again),
            stop=stop_after_attempt(self._attempts),
            wait=_wait,
            reraise=True,
        )
        try:
            answer = again(self._once, client, question)
        except _Again as error:
            answer = Answer(None, str(error))
        with self._lock:
            self._failed_in_row = self._failed_in_row + 1 if answer.text is None else 0
        return answer

    def _once(self, client: httpx.Client, question: Question) -> Answer:
        try:
            reply = client.post(f"{self._url}/chat/completions", json={"model": self._model, **question.to_json()})
        except httpx.TimeoutException as error:
            raise _Again("timed out") from error
        except httpx.RequestError as error:
            raise _Again(self._clean(f"no connection: {first_line(error)}")) from error
        status = reply.status_code
        if status in REFUSING:
            raise InputError(f"the endpoint answers {status}", file=self._url, remedy=REFUSING[status])
        if status in TRANSIENT or status >= 500:
            raise _Again(f"status {status}", _seconds(reply.headers.get("retry-after", "")))
        if status != httpx.codes.OK:
            return Answer(None, self._clean(f"status {status}: {_message(reply)}"))
        text = _text(reply)
        if text is None:
            raise _Again("a reply without choices[0].message.content")
        return Answer(text)

    def _clean(self, reason: str) -> str:
        """The reason without the key, should an endpoint repeat it."""
        return reason.replace(self._key, "...") if self._key else reason


def _wait(state: RetryCallState) -> float:
    """Exponential, with jitter; longer where the endpoint asks for it."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.after if isinstance(error, _Again) else 0.0
    own = wait_exponential(multiplier=FIRST_WAIT_S)(state) + wait_random(0, FIRST_WAIT_S)(state)
    return min(max(own, asked), LONGEST_WAIT_S)


def _seconds(text: str) -> float:
    """`Retry-After` in seconds; its other form, a date, is not read."""
    return float(text) if text.isdigit() else 0.0


def _text(reply: httpx.Response) -> str | None:
    body = _json(reply)
    try:
        text = body["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        return None
    return text if isinstance(text, str) else None


def _message(reply: httpx.Response) -> str:
    body = _json(reply)
    error = body.get("error") if isinstance(body, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return str(message or "no message")[:SHOWN]


def _json(reply: httpx.Response) -> Any:
    try:
        return reply.json()
    except ValueError:
        return None
