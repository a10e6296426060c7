import re
from dataclasses import replace

import pytest

from saebench.assets import ASSETS


@pytest.mark.parametrize("name", list(ASSETS))
def test_everything_is_pinned_and_licensed(name: str) -> None:
    asset = ASSETS.get(name)
    assert asset.name == name
    for hash_ in (asset.archive_sha256, *(member.sha256 for member in asset.members)):
        assert re.fullmatch(r"[0-9a-f]{64}", hash_)
    for member in asset.members:
        assert re.fullmatch(r"[\w.-]+", member.file), "a member's file name never leaves its folder"
    assert asset.licence
    assert asset.package_licence
    assert (asset.kind == "lm") == bool(asset.maker and re.fullmatch(r"[0-9a-f]{32}", asset.weights_hash or ""))


def test_the_default_model_is_named_for_what_it_is() -> None:
    assert ASSETS.get("smollm2-135m-instruct").title == "SmolLM2-135M-Instruct, Q4_1 dequantised"


def test_another_pin_is_another_revision_and_another_wording_is_not() -> None:
    news = ASSETS.get("news")
    assert replace(news, archive_sha256="0" * 64).revision != news.revision
    assert replace(news, members=()).revision != news.revision
    assert replace(news, note="said differently").revision == news.revision
