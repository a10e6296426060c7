"""Truths about the record of exchanges: replay, damage, several writers."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from saebench.errors import InputError
from saebench.judges import Answer, Message, Question, endpoint, open_judge
from saebench.judges.exchanges import Exchanges
from saebench.judges.fakes import fake_endpoint
from saebench.judges.recorded import ReplayJudge

WRITERS, EACH = 3, 25


def question(text: str) -> Question:
    return Question((Message("user", text),))


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(endpoint, "FIRST_WAIT_S", 0.001)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def recorded(folder: Path) -> Path:
    (file,) = folder.glob("*.jsonl")
    return file


def test_a_replay_answers_as_the_judge_did_with_the_judge_gone(tmp_path):
    asked = [question(text) for text in "abcd"]
    with fake_endpoint(lambda messages: 500 if messages[0].content == "c" else messages[0].content.upper()) as server:
        judge = open_judge(f"{server.judge}?attempts=2", folder=tmp_path)
        answers = judge.ask(asked)
    replay = open_judge(f"replay:{recorded(tmp_path)}")
    assert replay.identity == judge.identity
    assert replay.ask(asked[::-1]) == answers[::-1]
    assert [answer.text for answer in answers] == ["A", "B", None, "D"]
    with pytest.raises(InputError, match="1 of 2 questions are not recorded"):
        replay.ask([question("a"), question("z")])


def test_a_record_names_who_was_asked_what(tmp_path):
    with fake_endpoint(lambda messages: "so it is") as server:
        (answer,) = open_judge(server.judge, folder=tmp_path).ask([question("is it?")])
    line = json.loads(recorded(tmp_path).read_text())
    assert line["judge"] == f"openai:{server.url.removeprefix('http://').removesuffix('/v1')}#fake"
    assert line["question"]["messages"] == [{"role": "user", "content": "is it?"}]
    assert (line["answer"], line["id"]) == ("so it is", answer.exchange)


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_a_line_that_was_cut_is_asked_again_and_hurts_no_other(tmp_path, cut):
    with fake_endpoint(lambda messages: messages[0].content.upper()) as server:
        open_judge(server.judge, folder=tmp_path).ask([question("a"), question("b")])
        file = recorded(tmp_path)
        file.write_bytes(file.read_bytes()[:-cut])
        answers = open_judge(server.judge, folder=tmp_path).ask([question(text) for text in "abc"])
        assert [answer.text for answer in answers] == ["A", "B", "C"]
        asked = len(server.requests)
        open_judge(server.judge, folder=tmp_path).ask([question(text) for text in "abc"])
        assert len(server.requests) == asked


def _write(path: str, writer: int) -> None:
    exchanges = Exchanges(Path(path))
    for number in range(EACH):
        exchanges.add("hf:one", "", question(f"{writer} {number}"), Answer("x" * 5000))


def test_processes_that_write_at_once_lose_nothing(tmp_path):
    file = tmp_path / "one.jsonl"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(str(file), writer)) for writer in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    replay = ReplayJudge(file)
    asked = [question(f"{writer} {number}") for writer in range(WRITERS) for number in range(EACH)]
    assert all(answer.text == "x" * 5000 for answer in replay.ask(asked))
    assert len(file.read_bytes().splitlines()) == WRITERS * EACH


def test_a_file_of_two_judges_or_none_cannot_be_replayed(tmp_path):
    file = tmp_path / "mixed.jsonl"
    file.write_text("not an exchange\n")
    with pytest.raises(InputError, match="no exchange"):
        ReplayJudge(file)
    Exchanges(file).add("hf:one", "", question("a"), Answer("1"))
    Exchanges(file).add("hf:two", "", question("a"), Answer("2"))
    with pytest.raises(InputError, match="2 judges"):
        ReplayJudge(file)
