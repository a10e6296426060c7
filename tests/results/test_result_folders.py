"""Several results folders read as one."""

from result_examples import record_of, scores_of

from saebench.results.folders import ResultFolders
from saebench.results.store import ResultStore


def write(folder, name, quality, finished):
    scores = scores_of(quality)
    record = record_of(name, scores)
    dated = record.model_copy(update={"provenance": record.provenance.model_copy(update={"finished": finished})})
    return ResultStore(folder).write(dated, scores.tables)


def test_of_one_unit_in_two_folders_the_newest_counts_with_its_own_items(tmp_path):
    older = write(tmp_path / "a", "sae", 0.6, "2026-11-01T00:00:00Z")
    newer = write(tmp_path / "b", "sae", 0.7, "2026-11-02T00:00:00Z")
    other = write(tmp_path / "a", "another", 0.5, "2026-11-01T00:00:00Z")
    assert older.id == newer.id
    for order in (["a", "b"], ["b", "a"]):
        folders = ResultFolders([tmp_path / name for name in order])
        assert folders.versions()[newer.id] == [older, newer]
        records = list(folders.all())
        assert records == sorted([newer, other], key=lambda record: record.id)
        for record in records:
            assert folders.items(record)["documents"].columns["good"].sum() == (
                scores_of(0.7 if record == newer else 0.5).tables["documents"].columns["good"].sum()
            )
