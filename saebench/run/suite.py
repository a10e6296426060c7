"""A suite: a frozen list of tasks with their data, seeds and budgets, read from YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from saebench.data.labelled import LabelledFile, is_labelled_file
from saebench.data.packing import DataSpec
from saebench.errors import UnknownName
from saebench.packaged_files import packaged
from saebench.registry import near_misses
from saebench.yaml_file import read_yaml

DtypeName = Literal["float32", "bfloat16"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TaskEntry(_Strict):
    """One task of a suite."""

    task: str
    """Name with version."""
    params: dict[str, Any] = Field(default_factory=dict)


class SuiteData(_Strict):
    """The two parts of a suite's data."""

    eval: DataSpec
    """What subjects are scored on."""
    fit: DataSpec
    """What controls and baselines are fitted on."""


class Defaults(_Strict):
    """What subjects and the walk over the data take where nothing is said."""

    l0: int = Field(default=32, ge=1)
    d_dict: int = Field(default=2048, ge=2)
    rows_per_block: int = Field(default=4, ge=1)
    """Rows whose logits exist at once; `--batch-size` overrides it."""


class Suite(_Strict):
    """A suite file."""

    name: str
    version: int = Field(ge=1)
    about: str = ""
    lm: str
    """Default language model."""
    site: str | None = None
    """Site of controls when no dictionary of the run names one."""
    dtype: DtypeName = "float32"
    store_dtype: DtypeName = "float32"
    data: SuiteData
    tasks: list[TaskEntry] = Field(min_length=1)
    eval_seeds: list[int] = Field(default=[0], min_length=1)
    defaults: Defaults = Defaults()
    controls: list[str] = Field(default_factory=list)
    """Subjects that are scored in every run of the suite, at every site of the run."""

    @property
    def label(self) -> str:
        """`name-vVERSION`."""
        return f"{self.name}-v{self.version}"


def suite_names() -> list[str]:
    """Names of the packaged suites."""
    return sorted(file.parent.name for file in packaged("suites").glob("*/suite.yaml"))


PROBING = "sparse_probing@1"
"""The task that a labelled set is handed to."""


def load_suite(name: str) -> Suite:
    """The suite of a path, else the packaged one of that name.

    The path of a labelled set's YAML file (`saebench.data.labelled`) is a suite too: `features` with sparse probing of
    that set as its one task.

    Raises:
        UnknownName: neither a file nor a packaged suite.
        ConfigError: the file does not validate; names the field.
    """
    path = Path(name)
    if path.is_dir():
        path = path / "suite.yaml"
    if not path.is_file():
        path = packaged("suites") / name / "suite.yaml"
    if not path.is_file():
        known = suite_names()
        raise UnknownName("suite", name, near_misses(name, dict.fromkeys(known)), known)
    return _of_labelled(path) if is_labelled_file(path) else read_yaml(path, Suite)


def load_features() -> Suite:
    """The suite whose model, data and controls a labelled set takes."""
    return load_suite("features")


def _of_labelled(path: Path) -> Suite:
    spec = read_yaml(path, LabelledFile)
    task = TaskEntry(task=PROBING, params={"datasets": [str(path)]})
    return load_features().model_copy(
        update={"name": spec.name, "version": 1, "about": f"Sparse probing of {spec.file}.", "tasks": [task]}
    )
