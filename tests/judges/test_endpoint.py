"""Truths about judges behind an endpoint, asked over real HTTP on loopback."""

from __future__ import annotations

import json
import logging
import time
from types import SimpleNamespace

import pytest

from saebench.errors import InputError, UsageError
from saebench.judges import Message, Question, endpoint, open_judge
from saebench.judges.fakes import fake_endpoint

KEY = "sk-not-to-be-seen"


def question(text: str) -> Question:
    return Question((Message("system", "Answer."), Message("user", text)), max_tokens=9)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(endpoint, "FIRST_WAIT_S", 0.001)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def echo(messages):
    return f"you said {messages[-1].content}"


def test_questions_go_out_as_the_interface_says_and_answers_keep_their_order(tmp_path):
    with fake_endpoint(echo) as server:
        judge = open_judge(server.judge, folder=tmp_path)
        answers = judge.ask([question(str(number)) for number in range(12)])
    assert [answer.text for answer in answers] == [f"you said {number}" for number in range(12)]
    sent = next(one for one in server.requests if one["messages"][1]["content"] == "7")
    assert sent == {
        "path": "/v1/chat/completions",
        "model": "fake",
        "messages": [{"role": "system", "content": "Answer."}, {"role": "user", "content": "7"}],
        "max_tokens": 9,
        "temperature": 0,
        "seed": 0,
    }


def test_what_was_answered_is_never_asked_again(tmp_path):
    with fake_endpoint(echo) as server:
        first = open_judge(server.judge, folder=tmp_path).ask([question("a"), question("a"), question("b")])
        assert len(server.requests) == 2
        judge = open_judge(server.judge, folder=tmp_path)
        assert judge.ask([question("b"), question("a")]) == [first[2], first[0]]
        assert len(server.requests) == 2
        judge.ask([Question(question("a").messages, max_tokens=10)])
        assert len(server.requests) == 3


def test_an_interrupted_call_keeps_the_answers_that_came(tmp_path):
    def stops_at_c(messages):
        return 401 if messages[-1].content == "c" else "yes"

    with fake_endpoint(stops_at_c) as server:
        named = f"{server.judge}?parallel=1"
        with pytest.raises(InputError):
            open_judge(named, folder=tmp_path).ask([question(text) for text in "abc"])
        server.reply = echo
        answers = open_judge(named, folder=tmp_path).ask([question(text) for text in "abc"])
    assert [answer.text for answer in answers] == ["yes", "yes", "you said c"]


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_passing_failure_is_asked_again(tmp_path, status):
    waiting = [status, status]
    with fake_endpoint(lambda messages: waiting.pop() if waiting else "there") as server:
        (answer,) = open_judge(server.judge, folder=tmp_path).ask([question("a")])
    assert answer.text == "there"
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("reply", "reason", "requests"),
    [
        (500, "status 500", 3),
        (429, "status 429", 3),
        (b"<html>busy</html>", "a reply without choices[0].message.content", 3),
        (b'{"choices": []}', "a reply without choices[0].message.content", 3),
        (400, "status 400: as told", 1),
    ],
)
def test_a_lasting_failure_is_no_answer_and_says_why(tmp_path, reply, reason, requests):
    with fake_endpoint(lambda messages: reply) as server:
        judge = open_judge(f"{server.judge}?attempts=3", folder=tmp_path)
        (answer,) = judge.ask([question("a")])
        assert (answer.text, answer.failure) == (None, reason)
        assert len(server.requests) == requests
        server.reply = echo
        assert judge.ask([question("a")])[0].text == "you said a"


@pytest.fixture
def waits(monkeypatch):
    """Seconds that would have been slept."""
    slept: list[float] = []
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=slept.append))
    monkeypatch.setattr(endpoint, "FIRST_WAIT_S", 1.0)
    return slept


def test_waits_double_up_to_a_minute(tmp_path, waits):
    with fake_endpoint(lambda messages: 503) as server:
        open_judge(f"{server.judge}?attempts=9", folder=tmp_path).ask([question("a")])
    bounds = [1, 2, 4, 8, 16, 32, 60, 60]
    assert all(low <= wait <= min(low + 1, 60) for low, wait in zip(bounds, waits, strict=True))


@pytest.mark.parametrize(("asked", "waited"), [("7", 7), ("3600", 60)])
def test_an_endpoint_may_ask_for_a_longer_wait_but_not_for_an_hour(tmp_path, waits, asked, waited):
    replies = ["there", (429, {"retry-after": asked})]
    with fake_endpoint(lambda messages: replies.pop()) as server:
        (answer,) = open_judge(server.judge, folder=tmp_path).ask([question("a")])
    assert answer.text == "there"
    assert waits == [waited]


def test_silence_times_out(tmp_path):
    with fake_endpoint(lambda messages: time.sleep(1) or "late") as server:
        named = f"{server.judge}?timeout=0.05&attempts=2"
        (answer,) = open_judge(named, folder=tmp_path).ask([question("a")])
    assert (answer.text, answer.failure) == (None, "timed out")
    assert len(server.requests) == 2


def test_nobody_there_is_a_failure_too(tmp_path):
    with fake_endpoint(echo) as server:
        pass
    (answer,) = open_judge(f"{server.judge}?attempts=2", folder=tmp_path).ask([question("a")])
    assert answer.text is None
    assert answer.failure.startswith("no connection")


def test_an_endpoint_that_is_down_is_given_up(tmp_path):
    with fake_endpoint(lambda messages: 500) as server:
        judge = open_judge(f"{server.judge}?attempts=2&parallel=1", folder=tmp_path)
        answers = judge.ask([question(str(number)) for number in range(50)])
    assert all(answer.text is None for answer in answers)
    assert len(server.requests) == 2 * endpoint.GIVE_UP
    assert answers[-1].failure.startswith("not asked")


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_ends_the_call_and_names_the_remedy(tmp_path, status):
    with fake_endpoint(lambda messages: status) as server, pytest.raises(InputError, match=f"answers {status}.*check"):
        open_judge(server.judge, folder=tmp_path).ask([question("a")])
    assert len(server.requests) == 1


def test_the_key_goes_to_the_endpoint_and_nowhere_else(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("JUDGE_KEY", KEY)
    complaint = json.dumps({"error": {"message": f"what is {KEY}?"}}).encode()
    with fake_endpoint(echo) as server:
        judge = open_judge(f"{server.judge}?key=JUDGE_KEY", folder=tmp_path)
        judge.ask([question("a")])
        server.reply = lambda messages: complaint
        judge.ask([question("b")])
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    assert KEY not in judge.identity
    assert KEY not in caplog.text
    assert not any(KEY.encode() in file.read_bytes() for file in tmp_path.iterdir())


def test_no_key_is_sent_unless_a_variable_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with fake_endpoint(echo) as server:
        open_judge(server.judge, folder=tmp_path).ask([question("a")])
    assert "authorization" not in server.headers[0]


def test_a_variable_that_is_not_set_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("JUDGE_KEY", raising=False)
    with pytest.raises(UsageError, match="JUDGE_KEY"):
        open_judge("openai:http://127.0.0.1:9/v1#m?key=JUDGE_KEY", folder=tmp_path)
