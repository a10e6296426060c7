"""Truths about the names of judges, and about what of them becomes identity."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import BaseModel, Field

from saebench.errors import InputError, UsageError
from saebench.judges import JudgeName, parse_judge


class Settings(BaseModel):
    judge: JudgeName = Field(default="", validate_default=True)


def identity(name: str) -> str:
    return Settings(judge=name).model_dump(mode="json")["judge"]


def test_an_endpoint_has_an_address_a_model_and_settings():
    spec = parse_judge("openai:https://api.example.org/v1#org/model:free?key=MY_KEY&timeout=2.5&attempts=3&parallel=1")
    assert (spec.where, spec.model, spec.key) == ("https://api.example.org/v1", "org/model:free", "MY_KEY")
    assert (spec.timeout_s, spec.attempts, spec.parallel) == (2.5, 3, 1)


def test_identity_is_host_and_model_alone(monkeypatch):
    monkeypatch.setenv("MY_KEY", "secret")
    assert identity("openai:https://api.example.org/v1#m?key=MY_KEY&timeout=2") == "openai:api.example.org#m"
    assert identity("openai:http://localhost:8000/v1#m") == "openai:localhost:8000#m"
    assert identity("hf:smollm2-135m-instruct") == "hf:smollm2-135m-instruct"
    monkeypatch.delenv("SAEBENCH_JUDGE", raising=False)
    assert identity("") == ""


@pytest.mark.parametrize(
    "name",
    [
        "gpt-4o-mini",
        "openai:",
        "hf:",
        "openai:api.example.org#m",
        "openai:ftp://api.example.org#m",
        "openai:https://#m",
        "openai:http://localhost:port/v1#m",
        "openai:https://api.example.org/v1",
        "openai:https://api.example.org/v1#m?keys=A",
        "openai:https://api.example.org/v1#m?key=",
        "openai:https://api.example.org/v1#m?timeout=-1",
        "openai:https://api.example.org/v1#m?attempts=0",
        "openai:https://api.example.org/v1#m?attempts=1.5",
        "openai:https://api.example.org/v1#m?parallel=many",
        "openai:https://api.example.org/v1#m?timeout=nan",
    ],
)
def test_what_is_no_judge_is_refused_where_parameters_are_read(name):
    with pytest.raises(UsageError, match="judge"):
        Settings(judge=name)


@pytest.mark.parametrize("url", ["https://user:hush@example.org/v1", "https://example.org/v1?api-key=hush"])
def test_a_key_inside_an_address_is_refused_and_not_repeated(url):
    with pytest.raises(UsageError) as caught:
        parse_judge(f"openai:{url}#m")
    assert "hush" not in str(caught.value)


def test_the_environment_names_the_judge_where_nothing_else_does(monkeypatch):
    monkeypatch.delenv("SAEBENCH_JUDGE", raising=False)
    assert Settings().judge == ""
    monkeypatch.setenv("SAEBENCH_JUDGE", "hf:some/model")
    assert Settings().model_dump(mode="json") == {"judge": "hf:some/model"}
    monkeypatch.setenv("SAEBENCH_JUDGE", "nobody")
    with pytest.raises(UsageError, match="nobody"):
        Settings()
    assert Settings(judge="hf:another").judge == "hf:another"


def test_a_replay_file_must_be_there():
    with pytest.raises(InputError, match="no such file"):
        Settings(judge="replay:nowhere.jsonl")


def test_naming_judges_loads_neither_torch_nor_an_http_library():
    code = "import sys, saebench.judges; print({'torch', 'httpx', 'transformers', 'tenacity'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"
