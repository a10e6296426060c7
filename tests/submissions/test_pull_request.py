"""A pull request adds one submission and nothing else; the workflow that checks it runs none of its code."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from toy_bundle import NAME, Files, in_folder

from saebench.errors import SubmissionError
from saebench.submissions.changes import added_submission
from saebench.submissions.known import Known
from saebench.submissions.verifying import verify

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "submission.yml"
HOME = Path("leaderboard/submissions")
Git = Callable[..., bytes]


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """A repository with one submission of somebody else."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    who = ["-c", "user.name=x", "-c", "user.email=x@x.test", "-c", "core.quotepath=true"]

    def run(*words: str) -> bytes:
        done = subprocess.run(["git", *who, *words], cwd=tmp_path, env=environment, check=True, capture_output=True)
        return done.stdout

    run("init", "-q", "-b", "main")
    for name in ("other-sae/MANIFEST.json", "other-sae/suite.yaml"):
        file = tmp_path / HOME / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}")
    (tmp_path / "setup.py").write_text("pass\n")
    run("add", "-A")
    run("commit", "-qm", "start")
    run("checkout", "-qb", "change")
    return run


def diff(git: Git) -> bytes:
    git("add", "-A")
    git("commit", "-qm", "change", "--allow-empty")
    return git("diff", "--raw", "-z", "--no-renames", "--no-abbrev", "main...HEAD")


def test_one_new_folder_is_what_a_pull_request_adds(git: Git, files: Files, tmp_path: Path) -> None:
    in_folder(files, tmp_path / HOME)
    assert added_submission(diff(git)) == NAME


def _edit(root: Path) -> None:
    (root / "setup.py").write_text("import os\n")


def _remove(root: Path) -> None:
    (root / HOME / "other-sae" / "suite.yaml").unlink()


def _rename(root: Path) -> None:
    (root / HOME / "other-sae").rename(root / HOME / "stolen-sae")


def _add_to_another(root: Path) -> None:
    (root / HOME / "other-sae" / "submission.yaml").write_text("x")


def _change_another(root: Path) -> None:
    (root / HOME / "other-sae" / "MANIFEST.json").write_text("[]")


def _add_a_workflow(root: Path) -> None:
    (root / ".github" / "workflows").mkdir(parents=True)
    (root / ".github" / "workflows" / "x.yml").write_text("on: push")


def _add_beside(root: Path) -> None:
    (root / HOME / "readme.md").write_text("x")


def _link(root: Path) -> None:
    (root / HOME / NAME / "suite.yaml").unlink()
    (root / HOME / NAME / "suite.yaml").symlink_to("/etc/passwd")


def _linked_folder(root: Path) -> None:
    (root / HOME / "evil").symlink_to("/etc")


def _executable(root: Path) -> None:
    (root / HOME / NAME / "suite.yaml").chmod(0o755)


def _attributes(root: Path) -> None:
    (root / HOME / NAME / ".gitattributes").write_text("* filter=evil")


def _second(root: Path) -> None:
    (root / HOME / "third-sae").mkdir()
    (root / HOME / "third-sae" / "MANIFEST.json").write_text("{}")


def _odd_name(root: Path) -> None:
    (root / HOME / NAME / "::set-env name=X::1\n").write_text("x")


def _not_utf8(root: Path) -> None:
    (root / os.fsdecode(b"\xff\xfe")).write_text("x")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_edit, "setup.py: is changed"),
        (_remove, "other-sae/suite.yaml: is removed"),
        (_rename, "other-sae/MANIFEST.json: is removed"),
        (_add_to_another, "folders are added"),
        (_change_another, "other-sae/MANIFEST.json: is changed"),
        (_add_a_workflow, ".github/workflows/x.yml: lies outside a submission's folder"),
        (_add_beside, "readme.md: lies outside a submission's folder"),
        (_link, "suite.yaml: is a symbolic link"),
        (_linked_folder, "evil: lies outside a submission's folder"),
        (_executable, "suite.yaml: is an executable file"),
        (_attributes, ".gitattributes: does not belong in a bundle"),
        (_second, "2 folders are added"),
        (_odd_name, "the name holds characters that no file of a bundle has"),
        (_not_utf8, "lies outside a submission's folder"),
    ],
    ids=lambda value: getattr(value, "__name__", "").strip("_"),
)
def test_anything_else_is_refused(
    change: Callable[[Path], None], message: str, git: Git, files: Files, tmp_path: Path
) -> None:
    in_folder(files, tmp_path / HOME)
    change(tmp_path)
    with pytest.raises(SubmissionError) as refused:
        added_submission(diff(git))
    assert message in str(refused.value)
    assert str(refused.value).isprintable()


def test_files_added_to_a_submission_that_is_there_are_refused(git: Git, tmp_path: Path) -> None:
    _add_to_another(tmp_path)
    with pytest.raises(SubmissionError, match="added to a submission that is there already"):
        added_submission(diff(git))


def test_the_archive_that_the_workflow_makes_is_verified(git: Git, files: Files, known: Known, tmp_path: Path) -> None:
    in_folder(files, tmp_path / HOME)
    folder = f"{HOME.as_posix()}/{added_submission(diff(git))}"
    packed = gzip.compress(git("archive", "--format=tar", f"--prefix={NAME}/", f"HEAD:{folder}"))
    (tmp_path / "sent.tar.gz").write_bytes(packed)
    assert verify(tmp_path / "sent.tar.gz", known).accepted


@pytest.mark.parametrize("text", [b"", b"A\tsetup.py\n", b":100644 100644 a b M", b"\0\0\0", b":\0x\0"])
def test_what_is_no_diff_is_refused(text: bytes) -> None:
    with pytest.raises(SubmissionError):
        added_submission(text)


def test_the_workflow_gives_a_pull_request_no_rights() -> None:
    text = WORKFLOW.read_text(encoding="utf-8")
    flow = yaml.load(text, Loader=yaml.BaseLoader)
    assert set(flow["on"]) == {"pull_request"}
    for word in ("pull_request_target", "workflow_run", "secrets", "GITHUB_TOKEN"):
        assert word not in re.sub(r"#.*", "", text)
    assert flow["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in flow["jobs"].values())
    assert all(int(job["timeout-minutes"]) <= 60 for job in flow["jobs"].values())


def test_the_workflow_runs_the_base_and_pins_its_actions() -> None:
    flow = yaml.load(WORKFLOW.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    steps = [step for job in flow["jobs"].values() for step in job["steps"]]
    checkouts = [step["with"] for step in steps if step.get("uses", "").startswith("actions/checkout@")]
    assert [checkout["ref"] for checkout in checkouts] == ["${{ github.event.pull_request.base.sha }}"]
    assert all(checkout["persist-credentials"] == "false" for checkout in checkouts)
    for step in steps:
        if "uses" in step:
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step["uses"])
        # Texts of a pull request never become part of a script: only its number and its hashes do, as variables.
        assert "${{" not in step.get("run", "")
        for value in step.get("env", {}).values():
            assert re.fullmatch(r"\$\{\{ github\.event\.(number|pull_request\.(base|head)\.sha) \}\}", value)
