"""Panel files."""

from pathlib import Path

import pytest

from saebench.run.panel import load_panel
from saebench.subjects.spec import anchored


def test_relative_paths_are_meant_from_the_folder_of_the_file(tmp_path):
    file = tmp_path / "panels" / "mine.yaml"
    file.parent.mkdir()
    written = [
        "../trained/topk",
        "/srv/topk",
        "set:../trained/topk-s*,control:random?seed=0",
        "pair:../trained/a,../trained/b",
        "control:permuted?of=../trained/topk",
        "control:permuted?seed=1&of=baseline:itda?l0=32",
        "baseline:pca?l0=16",
        "hf:team/sae",
    ]
    file.write_text(f"name: mine\nsubjects: {written}\n")
    trained = tmp_path / "trained"
    assert load_panel(str(file)) == [
        f"{trained}/topk",
        "/srv/topk",
        f"set:{trained}/topk-s*,control:random?seed=0",
        f"pair:{trained}/a,{trained}/b",
        f"control:permuted?of={trained}/topk",
        "control:permuted?seed=1&of=baseline:itda?l0=32",
        "baseline:pca?l0=16",
        "hf:team/sae",
    ]


@pytest.mark.parametrize("text", ["trained/topk", "set:trained/a,trained/b", "control:permuted?of=trained/topk"])
def test_a_specification_of_the_working_folder_stays_as_it_is(text):
    assert anchored(text, Path()) == text
