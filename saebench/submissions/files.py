"""From a folder or an archive to the bundle's files in memory. Nothing is written, followed or unpacked to disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from saebench.submissions import limits
from saebench.submissions.layout import FOLDERS, check_bundle_name, check_path, require_all, too_large
from saebench.submissions.refusing import refusal
from saebench.submissions.tar_files import read_tar
from saebench.submissions.zip_files import read_zip

ARCHIVES = "a submission is a folder, or that folder as .zip or .tar.gz"


def read_files(path: Path) -> tuple[str, dict[str, bytes]]:
    """(bundle name, path inside the bundle to content) of a folder, a .zip or a .tar.gz.

    Raises:
        SubmissionError: it is none of these, holds what no bundle holds, exceeds a limit, or is not complete.
    """
    kind = _kind(path)
    if stat.S_ISDIR(kind):
        name, files = check_bundle_name(path.absolute().name), read_folder(path)
    elif not stat.S_ISREG(kind):
        raise refusal("neither a folder nor a file", str(path), remedy=ARCHIVES)
    elif path.name.endswith(".zip"):
        name, files = read_zip(read_file(path, limits.ARCHIVE_BYTES, str(path)))
    elif path.name.endswith((".tar.gz", ".tgz")):
        name, files = read_tar(read_file(path, limits.ARCHIVE_BYTES, str(path)))
    else:
        raise refusal("not a submission", str(path), remedy=ARCHIVES)
    require_all(files)
    return name, files


def read_folder(folder: Path) -> dict[str, bytes]:
    """The files of a bundle's folder.

    Raises:
        SubmissionError: a link, a device, a name that does not belong, or too much.
    """
    files: dict[str, bytes] = {}
    total = 0
    for path, entry in _entries(folder):
        check_path(path)
        files[path] = read_file(Path(entry.path), limits.FILE_BYTES, path)
        total += len(files[path])
        if total > limits.BUNDLE_BYTES:
            raise refusal(too_large("all files together", limits.BUNDLE_BYTES), path)
        if len(files) > limits.FILES:
            raise refusal(f"a bundle may have at most {limits.FILES:,} files", path)
    return files


def _entries(folder: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Everything in the folder and in the two folders that it may have."""
    for entry in _listed(folder):
        if entry.is_dir(follow_symlinks=False) and entry.name in FOLDERS:
            for inner in _listed(Path(entry.path)):
                yield f"{entry.name}/{inner.name}", inner
        else:
            yield entry.name, entry


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                found.append(entry)
                if len(found) > limits.FILES:
                    raise refusal(f"a bundle may have at most {limits.FILES:,} files", folder.name)
    except OSError as error:
        raise refusal(f"cannot be read ({error.strerror})", folder.name) from error
    return sorted(found, key=lambda entry: entry.name)


def read_file(path: Path, most: int, name: str) -> bytes:
    """The content of a plain file of at most `most` bytes, called `name` in messages. Links are not followed.

    Raises:
        SubmissionError: it is no plain file, too large, or cannot be read.
    """
    kind = _kind(path, name)
    if stat.S_ISLNK(kind):
        raise refusal("a symbolic link", name, remedy="put the file itself there")
    if not stat.S_ISREG(kind):
        raise refusal("no plain file", name)
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb") as stream:
            content = stream.read(most + 1)
    except OSError as error:
        raise refusal(f"cannot be read ({error.strerror})", name) from error
    if len(content) > most:
        raise refusal(too_large("an archive" if most == limits.ARCHIVE_BYTES else "a file", most), name)
    return content


def _kind(path: Path, name: str | None = None) -> int:
    try:
        return path.lstat().st_mode
    except OSError as error:
        raise refusal(f"cannot be read ({error.strerror})", name or str(path), remedy=ARCHIVES) from error
    except ValueError as error:
        raise refusal(f"no path: {error}", name or str(path), remedy=ARCHIVES) from error
