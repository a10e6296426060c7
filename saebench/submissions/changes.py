"""What a pull request changes: one new submission, and nothing else.

Reads `git diff --raw -z --no-renames --no-abbrev BASE...HEAD`, which names the kind of each file beside its path.
"""

from __future__ import annotations

import re
from collections import defaultdict

from saebench.submissions import limits
from saebench.submissions.layout import MANIFEST, check_bundle_name, check_path
from saebench.submissions.refusing import refusal, shown

HOME = "leaderboard/submissions"
COMMAND = "git diff --raw -z --no-renames --no-abbrev BASE...HEAD"
ENTRY = re.compile(r":(\d{6}) (\d{6}) [0-9a-f]+ [0-9a-f]+ ([A-Z])\d*")
PLAIN = "100644"
KINDS = {"120000": "a symbolic link", "160000": "a submodule", "100755": "an executable file"}
VERBS = {"D": "removed", "M": "changed", "T": "changed"}
ONE = f"a pull request adds one folder below {HOME}/ and touches nothing else"


def added_submission(diff: bytes) -> str:
    """The name of the submission that a diff adds.

    Raises:
        SubmissionError: it changes or removes a file, adds one elsewhere or of another kind, or more than one folder.
    """
    parts = diff.removesuffix(b"\0").split(b"\0") if diff else []
    if not parts:
        raise refusal("nothing was changed", remedy=ONE)
    if len(parts) % 2:
        raise refusal(f"not what '{COMMAND}' prints")
    if len(parts) > 2 * limits.FILES:
        raise refusal(f"more than {limits.FILES:,} files are changed", remedy=ONE)
    added: dict[str, set[str]] = defaultdict(set)
    for entry, path in zip(parts[::2], parts[1::2], strict=True):
        name, inner = _added(entry.decode("ascii", "replace"), path.decode("utf-8", "surrogateescape"))
        added[name].add(inner)
    if len(added) > 1:
        raise refusal(f"{len(added)} folders are added: {shown(', '.join(sorted(added)))}", remedy=ONE)
    (name, paths), *_ = added.items()
    if MANIFEST not in paths:
        raise refusal("files are added to a submission that is there already", f"{HOME}/{name}", remedy=ONE)
    return name


def _added(entry: str, path: str) -> tuple[str, str]:
    """(submission, path inside it) of an added file."""
    match = ENTRY.fullmatch(entry)
    if match is None:
        raise refusal(f"not what '{COMMAND}' prints")
    _, mode, status = match.groups()
    if status != "A":
        raise refusal(f"is {VERBS.get(status, 'changed')}", path, remedy=ONE)
    if not path.startswith(f"{HOME}/") or path.count("/") < 3:
        raise refusal("lies outside a submission's folder", path, remedy=ONE)
    if mode != PLAIN:
        raise refusal(f"is {KINDS.get(mode, 'no plain file')}", path, remedy=ONE)
    name, _, rest = path.removeprefix(f"{HOME}/").partition("/")
    return check_bundle_name(name), check_path(rest)
