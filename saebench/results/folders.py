"""Several results folders read as one: a night beside another, our own results beside submissions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from saebench.fingerprint import canonical_json
from saebench.results.items import ItemTable
from saebench.results.schema import ResultRecord
from saebench.results.store import ResultStore


class ResultFolders(ResultStore):
    """The results below several folders, for reading; it is the store of the first one for writing.

    Args:
        roots: at least one folder.
    """

    def __init__(self, roots: Sequence[Path | str]) -> None:
        super().__init__(roots[0])
        self.stores = tuple(ResultStore(root) for root in roots)
        self._homes: dict[str, ResultStore] = {}

    def all(self) -> Iterator[ResultRecord]:
        """One result for each id, the newest, in the order of their ids: the order of the folders never matters.

        Raises:
            ResultsError: a folder is not there, or a result is damaged.
        """
        for versions in self.versions().values():
            yield versions[-1]

    def versions(self) -> dict[str, list[ResultRecord]]:
        """All results of each id, oldest first: more than one where folders hold the same unit of several runs.

        What a submission reports comes before all runs of one's own, whatever date it bears; of equal dates, the run
        that reproduces a submission comes last.

        Raises:
            ResultsError: a folder is not there, or a result is damaged.
        """
        found: dict[str, list[tuple[tuple[bool, str, bool, str], ResultRecord, ResultStore]]] = defaultdict(list)
        for store in self.stores:
            for record in store.all():
                text = canonical_json(record.model_dump(mode="json"))
                status = record.submission.status if record.submission else ""
                rank = (status != "self-reported", record.provenance.finished, status == "reproduced", text)
                found[record.id].append((rank, record, store))
        ordered = {}
        for id in sorted(found):
            runs = sorted(found[id], key=lambda run: run[0])
            self._homes[id] = runs[-1][2]
            ordered[id] = [record for _, record, _ in runs]
        return ordered

    def items(self, record: ResultRecord) -> dict[str, ItemTable]:
        """The item tables of the newest result of an id, by name, after `all` or `versions` has read the folders.

        Raises:
            ResultsError: the file is missing or is not the one that the result names.
        """
        return self._homes.get(record.id, self.stores[0]).items(record)
