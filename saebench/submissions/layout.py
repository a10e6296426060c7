"""What a bundle holds, by name. Names are compared with this short list; anything else is refused.

::

    NAME/
      submission.yaml     the author's card
      suite.yaml          the suite that was run
      environment.json    with which software
      results/ID.json     one result a unit (`saebench.results.schema`)
      items/ID.jsonl      its per-item scores
      MANIFEST.json       size and SHA-256 of each of these files
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from saebench.results.store import RESERVED
from saebench.submissions import limits
from saebench.submissions.refusing import refusal, shown

CARD = "submission.yaml"
SUITE = "suite.yaml"
ENVIRONMENT = "environment.json"
MANIFEST = "MANIFEST.json"
SINGLE = (CARD, SUITE, ENVIRONMENT, MANIFEST)
FOLDERS = ("results", "items")
RESULT = re.compile(r"results/([0-9a-f]{32})\.json")
ITEMS = re.compile(r"items/([0-9a-f]{32})\.jsonl")
NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
LONGEST_NAME = 64
NAME_RULE = "lower-case letters and digits, joined by single . _ or -, at most 64 in all"
REMEDY = "a bundle is the folder that 'saebench submit' writes, and nothing more"


def is_bundle_name(name: str) -> bool:
    """Whether a folder of this name is portable and unambiguous."""
    return len(name) <= LONGEST_NAME and bool(NAME.fullmatch(name)) and not RESERVED.fullmatch(name)


def check_bundle_name(name: str) -> str:
    """The name.

    Raises:
        SubmissionError: it is none.
    """
    if not is_bundle_name(name):
        raise refusal(f"'{shown(name)}' cannot be the name of a submission", remedy=f"use {NAME_RULE}")
    return name


def check_spelling(path: str) -> None:
    """Refuse what no path of a bundle looks like.

    Raises:
        SubmissionError: it leaves the folder, or hides something in its spelling.
    """
    parts = path.split("/")
    if path.startswith("/") or re.match(r"[A-Za-z]:", path):
        raise refusal("an absolute path", path, remedy=REMEDY)
    if ".." in parts:
        raise refusal("the path leaves the bundle's folder", path, remedy=REMEDY)
    if not path.isascii() or not path.isprintable() or "\\" in path:
        raise refusal("the name holds characters that no file of a bundle has", ascii(path)[1:-1], remedy=REMEDY)


def check_path(path: str) -> str:
    """A path inside the bundle, if a bundle has such a file.

    Raises:
        SubmissionError: as `check_spelling`, or it does not belong there.
    """
    check_spelling(path)
    if path in SINGLE or RESULT.fullmatch(path) or ITEMS.fullmatch(path):
        return path
    alike = next((known for known in SINGLE if known.casefold() == path.casefold()), None)
    if alike:
        raise refusal(f"differs from '{alike}' in upper and lower case", path, remedy=f"call it {alike}")
    raise refusal("does not belong in a bundle", path, remedy=REMEDY)


def inner_path(member: str) -> tuple[str, str | None]:
    """(bundle name, path inside it) of a member of an archive; None as path for one of the bundle's folders.

    Raises:
        SubmissionError: it lies in no folder, or is nothing that a bundle has.
    """
    top, slash, rest = member.partition("/")
    if not slash or not is_bundle_name(top):
        check_spelling(member)
        remedy = f"pack the folder itself; its name has {NAME_RULE}"
        raise refusal("does not lie in a folder that a submission may have", member, remedy=remedy)
    if rest == "" or rest.rstrip("/") in FOLDERS:
        return top, None
    return top, check_path(rest)


def require_all(paths: Iterable[str]) -> None:
    """Every single file is there, at least one result, and items for each result and for nothing else.

    Raises:
        SubmissionError: one is missing, or one is left over.
    """
    held = set(paths)
    for name in SINGLE:
        if name not in held:
            raise refusal("is missing", name, remedy=REMEDY)
    results = {match[1] for match in map(RESULT.fullmatch, held) if match}
    items = {match[1] for match in map(ITEMS.fullmatch, held) if match}
    if not results:
        raise refusal("holds no result", "results", remedy=REMEDY)
    for name in sorted(results - items):
        raise refusal("the per-item scores of this result are missing", f"results/{name}.json", remedy=REMEDY)
    for name in sorted(items - results):
        raise refusal("per-item scores of a result that is not there", f"items/{name}.jsonl", remedy=REMEDY)


def too_large(what: str, most: int) -> str:
    """The message for a limit on bytes."""
    whole = f"{most // limits.MEBIBYTE} MiB" if most >= limits.MEBIBYTE else f"{most / 1024:.0f} KiB"
    return f"{what} may have at most {whole}"
