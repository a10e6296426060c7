"""Which results belong together, and the reasons why two that should may not be compared."""

from __future__ import annotations

import pytest
from result_examples import record_of, scores_of

from saebench.nightly.matching import NOT_SCORED, NOT_THERE, match
from saebench.results.identity import result_id


def changed(record, **parts):
    """The record of a unit whose identity differs in some parts, as a run would write it."""
    identity = record.identity.model_copy(update=parts)
    return record.model_copy(
        update={"identity": identity, "id": result_id(identity), "task": identity.task, "eval_seed": identity.eval_seed}
    )


RECORD = record_of("topk", scores_of(0.5))


def reason(new, old):
    """Of the one match of two results."""
    found = match([new], [old])
    assert len(found) == 1, "a result without its like is held against the nearest one of its subject and task"
    return found[0].reason


def test_a_result_matches_itself_and_a_dictionary_that_was_replaced_under_its_name():
    assert reason(RECORD, RECORD) == ""
    replaced = changed(RECORD, subject="another fingerprint")
    replaced = replaced.model_copy(update={"subject": RECORD.subject.model_copy(update={"fingerprint": "another"})})
    found = match([replaced], [RECORD])[0]
    assert found.reason == ""
    assert not found.same_subject
    assert match([RECORD], [RECORD])[0].same_subject


def test_code_and_metric_definitions_are_provenance():
    later = RECORD.model_copy(update={"provenance": RECORD.provenance.model_copy(update={"saebench": "9.9"})})
    assert reason(later, RECORD) == ""
    assert reason(changed(RECORD, metrics="another definition"), RECORD) == ""


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"data": {"eval": "other texts"}}, "data changed: eval"),
        ({"task": "toy@2"}, "task was toy@1, is toy@2"),
        ({"params": {"tokens": 500, "ratio": 0.5}}, "parameter tokens was 1000, is 500"),
        ({"lm": "other weights"}, "language model weights changed"),
        ({"tokenizer": "another"}, "tokenizer changed"),
        ({"site": "blocks.2"}, "site was blocks.1, is blocks.2"),
        ({"dtype": "bfloat16"}, "dtype was float32, is bfloat16"),
        ({"mask_rule": "all"}, "masking changed"),
        ({"packing": {"context": 64}}, "packing context was 128, is 64"),
        ({"eval_seed": 7, "data": {"eval": "data for seed 7"}}, "the reference does not have eval_seed 7"),
    ],
)
def test_everything_else_that_decides_a_number_is_a_reason(parts, words):
    assert reason(changed(RECORD, **parts), RECORD) == words


def test_several_reasons_are_all_named():
    said = reason(changed(RECORD, lm="other", data={"eval": "other"}), RECORD)
    assert "language model weights changed" in said
    assert "data changed: eval" in said


def test_seeds_of_a_subject_are_one_match_and_must_all_be_there():
    pair = [RECORD, changed(RECORD, eval_seed=1, data={"eval": "data for seed 1"})]
    found = match(pair, pair)
    assert len(found) == 1
    assert found[0].reason == ""
    assert list(found[0].tonight) == [0, 1]
    assert match(pair, pair[:1])[0].reason == "the reference does not have eval_seed 1"
    assert match(pair[:1], pair)[0].reason == "", "a reference may hold more seeds than tonight has"


def test_a_subject_that_is_new_or_gone_is_a_row_with_its_reason():
    other = record_of("other", scores_of(0.6))
    found = {one.subject: one.reason for one in match([RECORD], [other])}
    assert found == {"topk": NOT_THERE, "other": NOT_SCORED}


def test_two_settings_of_a_task_are_kept_apart():
    both = [RECORD, record_of("topk", scores_of(0.5), ratio=0.9)]
    found = match(both, both)
    assert [one.setting for one in found] == ["ratio 0.5", "ratio 0.9"]
    assert not any(one.reason for one in found)


def test_other_data_begin_another_history():
    keys = {match([one], [RECORD])[0].key for one in (RECORD, changed(RECORD, data={"eval": "other texts"}))}
    assert len(keys) == 2
    replaced = changed(RECORD, subject="another fingerprint", metrics="another definition")
    assert match([replaced], [RECORD])[0].key == match([RECORD], [RECORD])[0].key
