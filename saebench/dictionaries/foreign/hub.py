"""Checkpoints from the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from saebench.errors import CheckpointError, UsageError, first_line


def download(name: str) -> Path:
    """The local copy of `OWNER/REPOSITORY[/FOLDER]`, downloaded once.

    Raises:
        UsageError: the name has no owner and repository.
        CheckpointError: the hub cannot be reached, or holds nothing of this name.
    """
    owner, _, rest = name.strip("/").partition("/")
    repository, _, folder = rest.partition("/")
    if not owner or not repository:
        raise UsageError(f"'hf:{name}' must be hf:OWNER/REPOSITORY or hf:OWNER/REPOSITORY/FOLDER")
    import httpx
    from huggingface_hub import snapshot_download

    patterns = [f"{folder}/*"] if folder else None
    try:
        root = Path(snapshot_download(f"{owner}/{repository}", allow_patterns=patterns))
    except (OSError, ValueError, httpx.HTTPError) as error:
        raise CheckpointError(
            f"cannot be downloaded: {first_line(error)}",
            file=f"hf:{name}",
            remedy="check the name and the network, or give a folder on disk",
        ) from error
    if not (root / folder).is_dir():
        raise CheckpointError("the repository has no such folder", file=f"hf:{name}", field=folder)
    return root / folder
