"""The published JSON Schema."""

import json

import jsonschema
import pytest
from result_examples import write_example

from saebench.results.schema_file import SCHEMA_FILE, schema_text
from saebench.results.store import ResultStore


def test_the_file_is_current():
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), "run: python -m saebench.results.schema_file"


def test_it_takes_what_is_written_and_refuses_what_is_not_a_result(tmp_path):
    store = ResultStore(tmp_path)
    raw = json.loads(store.path(write_example(store, "x", 0.5)).read_text())
    schema = json.loads(schema_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(raw)
    for field in ("id", "identity", "metrics", "provenance"):
        with pytest.raises(jsonschema.ValidationError, match=field):
            validator.validate({key: value for key, value in raw.items() if key != field})
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**raw, "eval_seed": "zero"})
