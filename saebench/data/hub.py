"""A Hugging Face data set by name, through `datasets` (installed with ``saebench[hub]``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from saebench.data.files import DEFAULT_FIELD, missing_field, text_of
from saebench.data.texts import Corpus, Document
from saebench.errors import DataError, first_line

SPLIT = "train"


class HubCorpus(Corpus):
    """The rows of split ``train`` of a data set on the hub, or in the local cache of `datasets`.

    Args:
        repository: ``owner/name``.
        config: configuration of the data set, or None for its default.
        field: the column that holds the text.

    Raises:
        DataError: `datasets` is not installed, or it cannot load the data set.
    """

    def __init__(self, repository: str, config: str | None = None, field: str = DEFAULT_FIELD) -> None:
        name = f"hf:{repository}" + (f":{config}" if config else "")
        self._rows = _load(name, repository, config)
        if field not in self._rows.column_names:
            raise missing_field(name, None, field, list(self._rows.column_names))
        self._field = field
        info = self._rows.info
        super().__init__(name, info.license or "not stated on the hub", str(info.version or "unversioned"))

    def entries(self) -> Iterator[Document]:
        for number, row in enumerate(self._rows.select_columns([self._field])):
            place = f"row {number}"
            yield Document(place, text_of(row[self._field], self.name, f"{place}, {self._field}"))


def _load(name: str, repository: str, config: str | None) -> Any:
    try:
        import datasets
    except ImportError as error:
        remedy = "pip install 'saebench[hub]'"
        raise DataError("needs the package datasets, which is not installed", file=name, remedy=remedy) from error
    try:
        return datasets.load_dataset(repository, config, split=SPLIT)
    except (OSError, ValueError, RuntimeError) as error:
        remedy = "check the name and the configuration, and that the hub answers or the data set is cached"
        raise DataError(f"cannot be loaded: {first_line(error)}", file=name, remedy=remedy) from error
