"""The published JSON Schema of a results file: `schema.json` beside this module.

`python -m saebench.results.schema_file` writes it again after a change of the models.
"""

from __future__ import annotations

import json
from pathlib import Path

from saebench.results.schema import SCHEMA_VERSION, ResultRecord

SCHEMA_FILE = Path(__file__).with_name("schema.json")


def schema_text() -> str:
    """The JSON Schema (draft 2020-12) of the present version."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"saebench-result-v{SCHEMA_VERSION}.schema.json",
        **ResultRecord.model_json_schema(mode="validation"),
    }
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
