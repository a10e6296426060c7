"""Panel files."""

from pathlib import Path

import pytest

from saebench.errors import InputError, UnknownName
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
        "sparsify:../trained/layers.9",
        "dictionary_learning:ae",
        "sparsify:sparsify",
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
        f"sparsify:{trained}/layers.9",
        f"dictionary_learning:{file.parent}/ae",
        f"sparsify:{file.parent}/sparsify",
    ]


def test_a_panel_reached_through_a_link_means_the_place_that_its_folder_means(tmp_path):
    folder = tmp_path / "far" / "panels"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("name: mine\nsubjects: [../topk]\n")
    (tmp_path / "far" / "topk").mkdir()
    (tmp_path / "link").symlink_to(folder)
    (found,) = load_panel(str(tmp_path / "link" / "mine.yaml"))
    assert Path(found).samefile(tmp_path / "far" / "topk")


def test_a_misspelt_panel_file_is_named_with_its_neighbour(tmp_path):
    (tmp_path / "ours.yaml").write_text("name: ours\nsubjects: [a]\n")
    with pytest.raises(InputError, match=r"no such panel file.*ours\.yaml"):
        load_panel(str(tmp_path / "our.yaml"))
    with pytest.raises(UnknownName, match="did you mean baselines"):
        load_panel("baselnes")


def test_an_empty_member_stays_empty():
    assert anchored("set:a,,b", Path("folder")) == "set:folder/a,,folder/b"


@pytest.mark.parametrize("text", ["trained/topk", "set:trained/a,trained/b", "control:permuted?of=trained/topk"])
def test_a_specification_of_the_working_folder_stays_as_it_is(text):
    assert anchored(text, Path()) == text
