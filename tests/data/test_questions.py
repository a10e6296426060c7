"""Packaged questions, and names of lm-eval tasks."""

from __future__ import annotations

import pytest

from saebench.data.question_sets import PACKAGED, Doc, topic_of
from saebench.data.questions import Question, chosen, question_set
from saebench.errors import UnknownName, UsageError


def doc(question: str, right: str = "yes", *wrong: str) -> Doc:
    return Doc(question, (right, *wrong), 0)


def test_a_topic_is_told_by_question_and_right_answer_alone():
    assert topic_of(doc("What do plants need?", "soil", "electrons")) == "biology"
    assert topic_of(doc("What has a negative charge?", "an electron", "a cell")) == "physical"
    assert topic_of(doc("Which gas do plants take in?")) is None
    assert topic_of(doc("Who said so?")) is None
    assert topic_of(doc("Who used the phone in the basement?")) is None


def test_a_larger_choice_holds_the_smaller_one_and_another_seed_is_another_choice():
    every = [Question(str(number), (("a", "b"), ("a", "c")), 0) for number in range(50)]
    few, many = (chosen(every, most, seed=0, what="x") for most in (10, 20))
    assert many[:10] == few
    assert chosen(every, 10, seed=1, what="x") != few


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "least"),
    [("saebench_sciq", 990), ("saebench_arc_easy", 560), ("saebench_capitals", 140), ("saebench_mmlu_anatomy", 130)],
)
def test_packaged_questions_have_one_right_answer_and_no_repeats(name, least):
    made = question_set(name)
    assert len(made.questions) >= least
    assert len({one.id for one in made.questions}) == len(made.questions)
    assert all(0 <= one.answer < len(one.pairs) for one in made.questions)
    assert made.licence == PACKAGED[name].licence


@pytest.mark.slow
def test_the_topics_share_no_question():
    biology, physical = (
        {one.id for one in question_set(f"saebench_{name}").questions} for name in ("biology", "physical")
    )
    assert len(biology) > 400
    assert len(physical) > 400
    assert not biology & physical


@pytest.mark.slow
def test_an_unknown_task_has_near_misses():
    with pytest.raises(UnknownName, match=r"did you mean .*saebench_sciq"):
        question_set("saebench_scik")
    with pytest.raises(UnknownName, match=r"did you mean .*arc_easy"):
        question_set("arc_eazy")


def test_a_task_without_choices_is_refused(monkeypatch):
    import datasets
    from lm_eval.api.task import ConfigurableTask

    config = {
        "task": "free",
        "custom_dataset": lambda **_: {"test": datasets.Dataset.from_list([{"q": "a", "a": "b"}])},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "q",
        "doc_to_target": "a",
    }
    task = ConfigurableTask(config=config)
    monkeypatch.setattr("saebench.data.questions.lm_eval_tasks", lambda name, progress: [task])
    with pytest.raises(UsageError, match="'free' is no multiple-choice task but generate_until"):
        question_set("free")
