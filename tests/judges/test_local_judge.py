"""Truths about a local instruct model as a judge."""

from __future__ import annotations

import pytest
import torch

from saebench.errors import InputError
from saebench.judges import Message, Question, open_judge
from saebench.judges.local import LocalModel
from saebench.lm.fakes import tiny_model

TEMPLATE = (
    "{% for m in messages %}{{ m.role[0] }}:{{ m.content }};{% endfor %}{% if add_generation_prompt %}a:{% endif %}"
)


@pytest.fixture(scope="module")
def lm():
    made = tiny_model()
    made.tokenizer.chat_template = TEMPLATE
    return made


def question(text: str, length: int = 5) -> Question:
    return Question((Message("system", "be brief"), Message("user", text)), max_tokens=length)


def said(lm, question: Question):
    ((_, answer),) = LocalModel(lm, "hf:tiny").answers([question])
    return answer


def test_it_continues_the_filled_template_with_the_likeliest_tokens(lm):
    ids = torch.tensor([lm.tokenizer("s:be brief;u:well;a:", add_special_tokens=False)["input_ids"]])
    expected = lm.tokenizer.decode(lm.generate(ids, 5)[0, ids.shape[1] :], skip_special_tokens=True)
    assert said(lm, question("well")).text == expected


def test_an_answer_depends_on_nothing_but_its_question(lm):
    asked = [question("a"), question("a rather longer question"), question("b")]
    together = dict(LocalModel(lm, "hf:tiny").answers(asked))
    assert [together[index] for index in range(3)] == [said(lm, one) for one in asked]


def test_a_question_longer_than_the_model_reads_has_no_answer(lm):
    answer = said(lm, question("x" * 600))
    assert answer.text is None
    assert "512" in answer.failure


def test_other_weights_and_other_templates_are_other_judges(lm):
    other = tiny_model(seed=1)
    other.tokenizer.chat_template = TEMPLATE
    third = tiny_model()
    third.tokenizer.chat_template = TEMPLATE.replace("a:", "b:")
    assert len({LocalModel(one, "hf:tiny").content for one in (lm, other, third)}) == 3


def test_a_model_without_a_chat_template_is_refused():
    with pytest.raises(InputError, match="chat template"):
        LocalModel(tiny_model(), "hf:tiny")


def test_a_folder_is_a_judge_and_its_record_replays(lm, tmp_path):
    lm.hf.save_pretrained(tmp_path / "model")
    lm.tokenizer.save_pretrained(tmp_path / "model")
    judge = open_judge(f"hf:{tmp_path / 'model'}", folder=tmp_path / "record", device="cpu")
    answers = judge.ask([question("a"), question("b")])
    (file,) = (tmp_path / "record").glob("*.jsonl")
    assert open_judge(f"replay:{file}").ask([question("b"), question("a")]) == answers[::-1]


@pytest.mark.slow
def test_the_packaged_model_answers_a_chat(tmp_path):
    judge = open_judge("hf:smollm2-135m-instruct", folder=tmp_path, device="cpu")
    (answer,) = judge.ask([Question((Message("user", "What is the capital of France?"),), max_tokens=16)])
    assert answer.text is not None
    assert "Paris" in answer.text
