"""Accepted bundles become results of a folder: self-reported, or reproduced where a run here agrees."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from hostile_claims import consistent
from toy_bundle import (
    NAME,
    SUBJECTS,
    Files,
    identified,
    in_folder,
    own_result,
    signed,
    sound_files,
    with_record,
)

from saebench.errors import ResultsError, SubmissionError
from saebench.report.comparing import compare_folders
from saebench.report.leaderboard import build_leaderboard
from saebench.results.folders import ResultFolders
from saebench.results.schema import ResultRecord
from saebench.results.store import ResultStore
from saebench.submissions.accepting import Accepted, accept
from saebench.submissions.card import LONGEST, parse_card
from saebench.submissions.kept_cards import keep_card, kept_cards
from saebench.submissions.known import Known
from saebench.verifier import with_accepted

Accept = Callable[..., Accepted]


@pytest.fixture
def take(known: Known, tmp_path: Path) -> Accept:
    """Accepts the bundle of some files into `results`."""

    def run(files: Files, name: str = NAME) -> Accepted:
        return accept(in_folder(files, tmp_path / "sent", name), tmp_path / "results", known)

    return run


def records(tmp_path: Path) -> dict[str, ResultRecord]:
    return {record.subject.name: record for record in ResultStore(tmp_path / "results").all()}


def run_here(tmp_path: Path, files: Files, take: Accept, factor: float = 1.0) -> None:
    """What a maintainer's own run would leave: the same units, with numbers times `factor`."""
    take(files)
    store = ResultStore(tmp_path / "results")
    for record in list(store.all()):
        metrics = {
            name: value.model_copy(
                update={end: getattr(value, end) * factor for end in ("value", "low", "high") if value.low is not None}
            )
            for name, value in record.metrics.items()
        }
        store.write(record.model_copy(update={"submission": None, "metrics": metrics}), store.items(record))


def test_an_accepted_bundle_is_self_reported(files: Files, take: Accept, tmp_path: Path) -> None:
    done = take(files)
    assert done.verdict.accepted
    assert (len(done.written), done.reproduced) == (1, 0)
    held = records(tmp_path)
    assert set(held) == {NAME, "identity", "pca-l0-4"}
    for record in held.values():
        assert record.submission is not None
        assert record.submission.model_dump() == {"name": NAME, "status": "self-reported"}
        assert ResultStore(tmp_path / "results").items(record)["documents"].items


def test_accepting_twice_changes_nothing(files: Files, take: Accept, tmp_path: Path) -> None:
    take(files)
    before = {path: path.read_bytes() for path in (tmp_path / "results").rglob("*.json")}
    assert take(files).verdict.accepted
    assert {path: path.read_bytes() for path in (tmp_path / "results").rglob("*.json")} == before


def test_compare_reads_what_was_accepted(files: Files, take: Accept, tmp_path: Path) -> None:
    take(files)
    table = compare_folders([str(tmp_path / "results")], tmp_path, base="identity").to_json()
    assert NAME in str(table)


def test_what_a_run_here_agrees_with_is_reproduced(files: Files, take: Accept, tmp_path: Path) -> None:
    run_here(tmp_path, files, take, factor=1 + 1e-6)
    before = records(tmp_path)[NAME]
    done = take(files)
    assert done.reproduced == 1
    after = records(tmp_path)[NAME]
    assert after.submission is not None
    assert after.submission.status == "reproduced"
    assert after.metrics == before.metrics


def test_what_a_run_here_contradicts_is_refused(files: Files, take: Accept, tmp_path: Path) -> None:
    run_here(tmp_path, files, take, factor=1.001)
    done = take(files)
    assert not done.verdict.accepted
    assert done.written == ()
    assert "the run here has" in str(done.verdict.refusals[0])
    assert records(tmp_path)[NAME].submission is None


def test_a_submission_is_not_taken_for_a_run(files: Files, take: Accept, tmp_path: Path) -> None:
    from types import SimpleNamespace

    from saebench.run.plan import make_unit
    from saebench.subjects import DictionarySubject
    from saebench.tasks.contract import Params
    from saebench.tasks.reconstruction.card import CARD

    take(files)
    sent = records(tmp_path)[NAME]
    subject = DictionarySubject("x", NAME, str(sent.site), sent.subject.fingerprint, "topk", None, None, None)  # type: ignore[arg-type]
    lm = SimpleNamespace(tokenizer_hash=sent.identity.tokenizer, fingerprint=sent.identity.lm)
    scene: Any = SimpleNamespace(lm=lm, dtype_label=sent.identity.dtype)
    store = ResultStore(tmp_path / "results")
    unit = make_unit(scene, CARD, Params(), sent.data, subject, 0, 4, store)
    assert unit.id == sent.id
    assert not unit.done
    store.write(sent.model_copy(update={"submission": None}), store.items(sent))
    assert make_unit(scene, CARD, Params(), sent.data, subject, 0, 4, store).done


def test_another_submission_cannot_claim_the_same_result(files: Files, take: Accept, tmp_path: Path) -> None:
    take(files)
    copied = {path: content.replace(NAME.encode(), b"copied-sae") for path, content in files.items()}
    done = take(signed(copied), "copied-sae")
    assert not done.verdict.accepted
    assert f"this result came with submission '{NAME}' already" in str(done.verdict.refusals[0])


def test_another_submission_cannot_replace_a_control(files: Files, take: Accept, tmp_path: Path) -> None:
    take(files)
    before = records(tmp_path)["identity"]
    other = sound_files(
        (("other-sae", "submission:other-sae", None, 0.2, 8), ("identity", "control:identity", "identity", 0.3, 9))
    )
    card = other["submission.yaml"].replace(NAME.encode(), b"other-sae")
    done = take(signed({**other, "submission.yaml": card}), "other-sae")
    assert not done.verdict.accepted
    assert f"submission '{NAME}' has" in str(done.verdict.refusals[0])
    assert records(tmp_path)["identity"] == before


def test_two_submissions_share_their_controls(files: Files, take: Accept, tmp_path: Path) -> None:
    take(files)
    other = sound_files((("other-sae", "submission:other-sae", None, 0.2, 8), *SUBJECTS[1:]))
    card = other["submission.yaml"].replace(NAME.encode(), b"other-sae")
    done = take(signed({**other, "submission.yaml": card}), "other-sae")
    assert [str(one) for one in done.verdict.refusals] == []
    assert set(records(tmp_path)) == {NAME, "other-sae", "identity", "pca-l0-4"}


def test_a_submission_cannot_break_the_pairing_of_others(files: Files, take: Accept, tmp_path: Path) -> None:
    """A few items less would shrink the items that all subjects share, and with them every paired test."""
    take(files)
    other = sound_files((("other-sae", "submission:other-sae", None, 0.2, 8), *SUBJECTS[1:]))
    other["submission.yaml"] = other["submission.yaml"].replace(NAME.encode(), b"other-sae")
    done = take(_with_fewer_documents(other), "other-sae")
    assert not done.verdict.accepted
    assert any("other items or clusters than other subjects have" in str(one) for one in done.verdict.refusals)


def _with_fewer_documents(files: Files) -> Files:
    """Every subject of a bundle without its last documents, all else made anew: consistent in itself."""
    import hashlib
    import json

    from saebench.submissions.item_lines import from_lines
    from saebench.tasks.contract import Scores
    from saebench.tasks.reconstruction.card import CARD
    from saebench.tasks.summary import summarise

    changed = dict(files)
    for path in [path for path in files if path.startswith("results/")]:
        record = json.loads(files[path])
        items = f"items/{record['id']}.jsonl"
        lines = [line for number, line in enumerate(files[items].splitlines(keepends=True)) if number not in (11, 12)]
        changed[items] = b"".join(lines)
        tables = from_lines(changed[items], items)
        record["metrics"] = {name: one.model_dump() for name, one in summarise(CARD, Scores(tables)).items()}
        record["items"]["sha256"] = hashlib.sha256(changed[items]).hexdigest()
        record["items"]["rows"] -= 2
        record["items"]["tables"]["documents"] -= 2
        changed[path] = json.dumps(record).encode()
    return signed(changed)


HOSTILE = '</script><img src=x onerror="alert(1)">&{{7*7}}'


def test_a_run_here_counts_more_than_a_newer_report(files: Files, take: Accept, tmp_path: Path) -> None:
    run_here(tmp_path, files, take)
    (tmp_path / "results").rename(tmp_path / "own")
    take(with_record(files, lambda record: record["provenance"].update(finished="2999-01-01T00:00:00+00:00")))
    for folders in ([tmp_path / "own", tmp_path / "results"], [tmp_path / "results", tmp_path / "own"]):
        assert all(record.submission is None for record in ResultFolders(folders).all())


def test_markup_in_any_name_reaches_the_page_as_text(files: Files, take: Accept, tmp_path: Path) -> None:
    def mark(record: dict[str, Any]) -> None:
        subject = record["subject"]
        subject["architecture"] = HOSTILE
        subject["provenance"] |= {HOSTILE: HOSTILE, "lm": HOSTILE}
        record["details"] = {HOSTILE: [HOSTILE]}
        record["cost"] = {HOSTILE: 1.0}
        record["model"]["name"] = HOSTILE
        record["data"][0] |= {"name": HOSTILE, "licence": HOSTILE}
        record["identity"]["mask_rule"] = record["data"][0]["mask_rule"] = HOSTILE
        for field in ("saebench", "torch", "platform", "device", "executor"):
            record["provenance"][field] = HOSTILE
        identified(record)

    marked = with_record(files, mark)
    done = take(_with_the_same_mask(marked))
    assert [str(one) for one in done.verdict.refusals] == []
    build_leaderboard([tmp_path / "results"], tmp_path / "site")
    pages = sorted((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 3
    for page in pages:
        text = page.read_text("utf-8")
        reader = Reader()
        reader.feed(text)
        assert "img" not in reader.tags, page.name
        assert not any(name.startswith("on") for name in reader.attributes), page.name
        assert all("alert(1)" not in script for script in reader.scripts if "\\u003c" not in script), page.name
    assert any("&lt;/script&gt;" in page.read_text("utf-8") for page in pages)


@pytest.mark.parametrize(
    ("scored_here", "told"),
    [
        (
            True,
            "Reproduced. Results that came with a submission and with which runs of the same units here agree: 1 of 1.",
        ),
        (False, "Self-reported. Results that came with a submission and were not scored again here: 1 of 1."),
    ],
)
def test_the_author_is_heard_beside_the_status(
    scored_here: bool, told: str, files: Files, take: Accept, tmp_path: Path
) -> None:
    if scored_here:
        run_here(tmp_path, files, take)
    paper = "https://papers.test/a?b=1&c=2#d"
    take(_said(files, paper=paper, training_data="Two lines\nof text"))
    reader = _subject_page(tmp_path)
    for said in (told, "A. Person and B. Person", "Apache-2.0", "Two lines\nof text", "not published"):
        assert said in reader.text
    assert [link["href"] for link in reader.away] == ["https://persons.test/a", paper]
    assert {link["rel"] for link in reader.away} == {"noopener noreferrer nofollow"}


NO_PAGES = (
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    " JaVaScRiPt:alert(1)",
    "https://papers.test/ <img src=x onerror=alert(1)>",
    "https://papers.test\\@evil.test/",
    "https://papers.test@evil.test/",
    "https://\u0440\u0430pers.test/",
    "https:evil.test",
    "https://\u212aelvin.test/",
    "http\u017f://papers.test/",
    "//evil.test/x",
    "ftp://papers.test/x",
    "https://papers.test/\nhttps://papers.test/",
)


@pytest.mark.parametrize("paper", NO_PAGES)
def test_only_the_address_of_a_page_is_a_link(paper: str, files: Files, take: Accept, tmp_path: Path) -> None:
    assert take(_said(files, paper=paper, contact="@person")).verdict.accepted
    reader = _subject_page(tmp_path)
    assert reader.away == []
    assert paper.strip() in reader.text


def test_a_hostile_card_stays_text(files: Files, take: Accept, tmp_path: Path) -> None:
    quoting = 'https://papers.test/"onmouseover="alert(1)//<script>alert(1)</script>'
    evil = dict.fromkeys(("authors", "contact", "licence", "training_data", "weights"), HOSTILE)
    done = take(_said(files, paper=quoting, **evil))
    assert [str(one) for one in done.verdict.refusals] == []
    reader = _subject_page(tmp_path)
    assert not reader.tags & {"img", "script"}
    assert not any(name.startswith("on") for name in reader.attributes)
    assert reader.text.count(evil["licence"]) == len(evil)
    assert [link["href"] for link in reader.away] == [quoting]


def test_a_card_is_about_its_subject_and_not_about_the_controls_that_came_with_it(
    files: Files, take: Accept, tmp_path: Path
) -> None:
    take(files)
    build_leaderboard([tmp_path / "results"], tmp_path / "site")
    pages = {path.name: path.read_text("utf-8") for path in (tmp_path / "site" / "subjects").glob("*.html")}
    assert len(pages) == 3
    assert [name for name, text in pages.items() if "What its author says" in text] == [
        name for name in pages if name.startswith(NAME)
    ]


def test_a_bundle_among_the_results_brings_its_card(files: Files, tmp_path: Path) -> None:
    bundle = in_folder(files, tmp_path / "sent")
    with with_accepted([str(bundle)]) as folders:
        build_leaderboard([Path(one) for one in folders], tmp_path / "site")
    assert "What its author says" in next((tmp_path / "site" / "subjects").glob(f"{NAME}*")).read_text("utf-8")


def test_a_damaged_card_is_told_by_file_and_field(files: Files, take: Accept, tmp_path: Path) -> None:
    take(files)
    kept = _kept(tmp_path)
    kept.write_text(kept.read_text().replace("self-reported", "reproduced"))
    with pytest.raises(ResultsError, match=rf"{NAME}-[0-9a-f]{{8}}\.yaml.*status"):
        build_leaderboard([tmp_path / "results"], tmp_path / "site")


def test_a_card_is_kept_as_it_was_sent(files: Files, take: Accept, tmp_path: Path) -> None:
    sent = signed({**files, "submission.yaml": b"# by hand\n" + files["submission.yaml"]})
    assert take(sent).verdict.accepted
    assert _kept(tmp_path).read_bytes() == sent["submission.yaml"]


@pytest.mark.parametrize(
    "licence", ["x" * (LONGEST + 1), "MIT \u202e", "\u200fMIT", "TODO"], ids=["long", "turned", "mark", "open"]
)
def test_a_kept_card_is_read_by_the_rules_of_a_sent_one(
    licence: str, files: Files, take: Accept, tmp_path: Path
) -> None:
    take(files)
    kept = _kept(tmp_path)
    card = yaml.safe_load(kept.read_bytes()) | {"licence": licence}
    kept.write_bytes(yaml.safe_dump(card, allow_unicode=True).encode())
    with pytest.raises(ResultsError, match="licence"):
        build_leaderboard([tmp_path / "results"], tmp_path / "site")


def test_a_card_that_cannot_be_read_is_told(files: Files, take: Accept, tmp_path: Path) -> None:
    take(files)
    kept = _kept(tmp_path)
    kept.unlink()
    kept.mkdir()
    with pytest.raises(ResultsError, match=rf"{NAME}.*cannot be read"):
        build_leaderboard([tmp_path / "results"], tmp_path / "site")


def test_a_card_of_the_same_name_for_other_weights_leaves_the_older_one(
    files: Files, take: Accept, tmp_path: Path
) -> None:
    take(files)
    other = "0" * 32
    card = parse_card(files["submission.yaml"], NAME)
    keep_card(card.model_copy(update={"subject": other}), _of_subject(files, other), tmp_path / "results")
    assert {one.subject for one in kept_cards([tmp_path / "results"])} == {card.subject, other}
    assert "What its author says" in _subject_page(tmp_path).text


def _of_subject(files: Files, fingerprint: str) -> bytes:
    return yaml.safe_dump(yaml.safe_load(files["submission.yaml"]) | {"subject": fingerprint}).encode()


def _kept(tmp_path: Path) -> Path:
    """The one card that is kept."""
    (file,) = (tmp_path / "results" / "submissions").iterdir()
    return file


def _said(files: Files, **answers: str) -> Files:
    """The bundle with other answers on its card."""
    card = yaml.safe_load(files["submission.yaml"]) | answers
    return signed({**files, "submission.yaml": yaml.safe_dump(card, allow_unicode=True).encode()})


def _subject_page(tmp_path: Path) -> Reader:
    """The page of the submitted subject."""
    build_leaderboard([tmp_path / "results"], tmp_path / "site")
    reader = Reader()
    reader.feed(next((tmp_path / "site" / "subjects").glob(f"{NAME}*")).read_text("utf-8"))
    return reader


class Reader(HTMLParser):
    """What a browser would make of a page: its tags, attributes, scripts, text and links that leave the site."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.scripts: list[str] = []
        self.text = ""
        self.away: list[dict[str, str | None]] = []
        self._inside = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}
        if tag == "a" and ":" in str(dict(attributes)["href"]):
            self.away.append(dict(attributes))
        self._inside = tag == "script"

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._inside:
            self.scripts.append(data)


def _with_the_same_mask(files: Files) -> Files:
    """Controls follow the mask rule of the own result, so that they stand beside it."""
    import json

    changed = dict(files)
    own = own_result(files)
    for path in [path for path in files if path.startswith("results/") and own not in path]:
        record = json.loads(changed.pop(path))
        items = changed.pop(f"items/{record['id']}.jsonl")
        record["identity"]["mask_rule"] = record["data"][0]["mask_rule"] = HOSTILE
        identified(record)
        changed |= {
            f"results/{record['id']}.json": json.dumps(record).encode(),
            f"items/{record['id']}.jsonl": items,
        }
    return signed(changed)


def test_a_forgery_that_hangs_together_is_shown_as_self_reported(files: Files, take: Accept, tmp_path: Path) -> None:
    forge = consistent(lambda rows: [{**row, "scores": [0.9 * score for score in row["scores"]]} for row in rows])
    take(forge(files))
    build_leaderboard([tmp_path / "results"], tmp_path / "site")
    html = "".join(path.read_text("utf-8") for path in (tmp_path / "site").rglob("*.html"))
    assert "self-reported" in html


def test_bundles_are_read_beside_results_folders(files: Files, take: Accept, tmp_path: Path) -> None:
    run_here(tmp_path, files, take)
    own, bundle = tmp_path / "results", tmp_path / "sent" / NAME
    before = sorted(tmp_path.rglob("*"))
    with with_accepted([str(bundle), str(own)]) as folders:
        assert folders[0] == str(own)
        assert len(folders) == 2
        held = {record.subject.name: record for record in ResultFolders(folders).all()}
        sent = held[NAME].submission
        assert sent is not None
        assert sent.status == "reproduced"
        assert held["identity"].submission is None
    with with_accepted([str(bundle)]) as folders:
        assert {record.submission.status for record in ResultFolders(folders).all() if record.submission} == {
            "self-reported"
        }
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path(folders[0]).exists()


def test_a_bundle_that_is_refused_is_not_read(files: Files, tmp_path: Path) -> None:
    files["suite.yaml"] += b"# changed\n"
    with (
        pytest.raises(SubmissionError, match="the submission is refused"),
        with_accepted([str(in_folder(files, tmp_path))]),
    ):
        pytest.fail("it was read")
