"""A world of seconds: a model with random weights and a made-up corpus, scored the ordinary way."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from saebench.activations.artefacts import ArtefactStore
from saebench.activations.store import ActivationStore
from saebench.data.packing import DataSpec
from saebench.lm.fakes import tiny_model
from saebench.lm.model import load_model
from saebench.progress import Silent
from saebench.run.scene import Scene
from saebench.run.suite import Defaults, Suite, SuiteData, TaskEntry

SITE = "blocks.1.hook_resid_post"
TINY = "synthetic:tiny"
WORDS = (
    "amber", "bridge", "cellar", "dawn", "ember", "fern", "garden", "harbour", "island", "juniper", "kettle", "lantern",
    "meadow", "north", "orchard", "pebble", "quarry", "river", "saddle", "timber",
)  # fmt: skip
DOCUMENTS = 160
LABELLED = 160
RANDOM = tuple(f"control:random?seed={seed}" for seed in range(3))
TEXT_SUBJECTS = (
    "control:identity", "control:mean", "control:random", "control:permuted?of=baseline:pca", "baseline:pca",
    "baseline:itda", f"set:{','.join(RANDOM)}", f"pair:{RANDOM[0]},{RANDOM[1]}",
)  # fmt: skip
WORLD_SUBJECTS = ("control:oracle", "control:random", "control:permuted?of=control:oracle", "baseline:pca")


@dataclass(frozen=True)
class GoldenRun:
    """A scene and the subjects that its suite scores."""

    scene: Scene
    subjects: tuple[str, ...]


def golden_runs(folder: Path) -> tuple[GoldenRun, ...]:
    """Write corpora and stores into `folder`, and hand over what is to be scored."""
    corpus = folder / "corpus.jsonl"
    corpus.write_text("".join(json.dumps({"text": sentence(number, 9)}) + "\n" for number in range(DOCUMENTS)))
    store, artefacts = ActivationStore(folder / "activations"), ArtefactStore(folder / "artefacts")
    texts, world = text_suite(corpus, labelled(folder)), world_suite()
    model = tiny_model("llama", n_layers=3, d_model=16)
    known = load_model(TINY, device="cpu")
    return (
        GoldenRun(Scene(texts, model, store, Silent(), artefacts), TEXT_SUBJECTS),
        GoldenRun(Scene(world, known, store, Silent(), artefacts), WORLD_SUBJECTS),
    )


def text_suite(corpus: Path, labels: Path) -> Suite:
    """Tasks on a language model."""
    return Suite(
        name="golden",
        version=1,
        lm="tiny",
        site=SITE,
        data=SuiteData(
            eval=DataSpec(source=str(corpus), part="eval", documents=12, context=32, tokens_per_document=40),
            fit=DataSpec(source=str(corpus), part="train", tokens=2000, context=32),
        ),
        tasks=[
            TaskEntry(task="reconstruction@1"),
            TaskEntry(task="sparse_probing@1", params={"datasets": [str(labels)], "train_rows": 48}),
            TaskEntry(task="seed_consistency@1"),
            TaskEntry(task="similarity@1"),
        ],
        defaults=Defaults(l0=4, d_dict=32, rows_per_block=4),
    )


def world_suite() -> Suite:
    """The task whose answers are known."""
    return Suite(
        name="golden-world",
        version=1,
        lm=TINY,
        site="features",
        data=SuiteData(
            eval=DataSpec(source=TINY, part="eval", documents=64), fit=DataSpec(source=TINY, part="train", tokens=4000)
        ),
        tasks=[TaskEntry(task="ground_truth@1", params={"hedging_steps": 0})],
        defaults=Defaults(l0=3, d_dict=48, rows_per_block=4),
    )


def sentence(number: int, words: int) -> str:
    """Words drawn by the hash of their place: the same on any machine."""
    drawn = (hashlib.sha256(f"{number}/{place}".encode()).digest()[0] for place in range(words))
    return f"{number} " + " ".join(WORDS[byte % len(WORDS)] for byte in drawn)


def labelled(folder: Path) -> Path:
    """Two classes of texts that a few letters tell apart, as a user's own data set; the path of its YAML file."""
    begins = ("calm tree", "xylem zone")
    rows = [(f"{begins[number % 2]} {sentence(number, 4)}", number % 2) for number in range(LABELLED)]
    with (folder / "labelled.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("text", "label"), *rows])
    path = folder / "labelled.yaml"
    path.write_text("name: golden\nfile: labelled.csv\ntext: text\nlabel: label\nlicence: CC0\n")
    return path
