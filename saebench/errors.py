"""Every error that saebench raises on purpose.

::

    SaebenchError                 exit 1, the base: one message that a user can act on
    ├── UsageError                exit 2, the command line or the call is wrong
    │   └── UnknownName           a name that no registry holds; carries near misses
    ├── InputError                exit 1, a file, a field or a datum is bad
    │   ├── ConfigError           a YAML or JSON configuration does not validate
    │   ├── CheckpointError       a dictionary on disk cannot be read or is not sound
    │   ├── CompositionError      blocks that must not be combined
    │   ├── SiteError             a site and a dictionary or model do not fit together
    │   ├── DataError             a corpus or a table holds nothing usable
    │   ├── AssetError            a packaged asset cannot be fetched or fails its hash
    │   ├── ResultsError          a results file is damaged or of a newer schema
    │   ├── PluginError           something installed beside saebench cannot be imported
    │   └── SubmissionError       a submission is refused: hostile, damaged, or it does not follow
    ├── StorageError              exit 1, disk full, lock lost, folder not writable
    ├── SubjectFailed             one subject failed inside a task; the others go on
    ├── UnitsFailed               exit 4, some units failed, the rest is stored
    └── RegressionFound           exit 3, nightly confirmed a fall
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class SaebenchError(Exception):
    """Base of all expected failures. `exit_code` is what the command line returns."""

    exit_code = 1


class UsageError(SaebenchError):
    """The command line or a call names something that cannot be."""

    exit_code = 2


class UnknownName(UsageError):
    """A name that is not registered. `suggestions` are the near misses, best first."""

    def __init__(
        self, kind: str, name: str, suggestions: Sequence[str], known: Sequence[str], remedy: str = ""
    ) -> None:
        self.kind = kind
        self.name = name
        self.suggestions = tuple(suggestions)
        if self.suggestions:
            hint = f"did you mean {' or '.join(self.suggestions)}?"
        elif known:
            hint = f"known: {', '.join(known)}"
        else:
            hint = "nothing is called so"
        stop = "" if hint.endswith("?") else "."
        super().__init__(f"unknown {kind} '{name}': {hint}" + (f"{stop} {remedy}" if remedy else ""))


class InputError(SaebenchError):
    """Something read from outside is bad.

    Args:
        message: what is wrong, in one sentence.
        file: the file or folder that holds it.
        field: the field, tensor, row or column inside the file.
        remedy: what the user can do.
    """

    def __init__(
        self, message: str, *, file: Path | str | None = None, field: str | None = None, remedy: str | None = None
    ) -> None:
        self.message, self.file, self.field, self.remedy = message, file, field, remedy
        where = ": ".join(str(part) for part in (file, field) if part is not None)
        text = f"{where}: {message}" if where else message
        super().__init__(f"{text} ({remedy})" if remedy else text)


class ConfigError(InputError):
    """A configuration does not validate."""


class CheckpointError(InputError):
    """A dictionary on disk is missing, truncated, unsafe or not sound (NaN, zero atom, wrong shape)."""


class CompositionError(InputError):
    """Blocks that must not be combined, refused when the composition is made."""


class SiteError(InputError):
    """A site and a dictionary, or a site and a model, do not fit together."""


class DataError(InputError):
    """A corpus or a table holds nothing usable."""


class AssetError(InputError):
    """A packaged asset cannot be fetched, or its content is not the pinned one."""


class ResultsError(InputError):
    """A results file is damaged, contradicts itself or was written by a newer schema."""


class PluginError(InputError):
    """A package that adds entries to a registry cannot be imported."""


class SubmissionError(InputError):
    """A submission is refused: it is hostile, damaged, incomplete, or its numbers do not follow from its items."""


class StorageError(InputError):
    """The disk is full, a folder cannot be written or a lock could not be taken."""


class SubjectFailed(SaebenchError):
    """One subject failed inside a task. The other subjects of the group go on."""


class UnitsFailed(SaebenchError):
    """Some units failed; everything that finished is stored."""

    exit_code = 4


class RegressionFound(SaebenchError):
    """A confirmed fall against the reference."""

    exit_code = 3


def first_line(error: BaseException) -> str:
    """What another library's error says, without its tail; its class where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
