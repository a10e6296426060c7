"""Facts from GeoNames and from RAVEL's own files, and what their readers refuse."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from saebench.data.facts import Entity, Facts, Template, facts
from saebench.errors import DataError, UnknownName

RAVEL = Path(__file__).parents[3] / "shared" / "data" / "ravel" / "data.tgz"
PARTS = {
    "entity_attributes": {"Oslo": {"Country": "Norway"}, "Bern": {"Country": "Switzerland", "Language": " "}},
    "attribute_to_prompts": {"Country": ["%s is in", "[%s, "]},
    "entity_to_split": {"Oslo": "train", "Bern": "val"},
    "prompt_to_split": {"%s is in": "train", "[%s, ": "test"},
}


def archive(path: Path, changes: dict[str, bytes | None] | None = None, extra: list[tarfile.TarInfo] | None = None):
    members = {f"data/ravel_town_{part}.json": json.dumps(value).encode() for part, value in PARTS.items()}
    with tarfile.open(path, "w:gz") as made:
        for info in extra or []:
            made.addfile(info)
        for name, content in (members | (changes or {})).items():
            if content is not None:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                made.addfile(info, io.BytesIO(content))
    return path


def test_a_folder_and_the_archive_of_it_hold_the_same_facts(tmp_path):
    for part, value in PARTS.items():
        (tmp_path / f"ravel_town_{part}.json").write_text(json.dumps(value))
    of_folder = facts(f"{tmp_path}#town")
    of_archive = facts(f"{archive(tmp_path / 'data.tgz')}#town")
    assert of_folder == of_archive
    assert of_folder.fingerprint() == of_archive.fingerprint()
    assert of_folder.entities == (Entity("Oslo", {"Country": "Norway"}, "train"),)
    assert [(one.text, one.side) for one in of_folder.templates] == [("%s is in", "train"), ("[%s, ", "test")]


def test_nothing_of_an_archive_is_unpacked_and_links_are_not_followed(tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps(PARTS["entity_to_split"]))
    link = tarfile.TarInfo("data/ravel_town_entity_to_split.json")
    link.type, link.linkname = tarfile.SYMTYPE, str(secret)
    outside = tarfile.TarInfo("../../escaped.json")
    made = archive(tmp_path / "data.tgz", {"data/ravel_town_entity_to_split.json": None}, [link, outside])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError, match="has no ravel_town_entity_to_split"):
        facts(f"{made}#town")
    assert sorted(tmp_path.rglob("*")) == before
    assert not (tmp_path.parent.parent / "escaped.json").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data/ravel_town_prompt_to_split.json": None}, "has no ravel_town_prompt_to_split.json"),
        ({"data/ravel_town_prompt_to_split.json": b"{"}, "is not JSON"),
        ({"data/ravel_town_prompt_to_split.json": b"[]"}, "is not a JSON object"),
        ({"data/ravel_town_entity_attributes.json": b'{"Oslo": {"Country": 3}}'}, "is not an object of texts"),
        ({"data/ravel_town_entity_to_split.json": b"{}"}, "holds no entity"),
        ({"data/ravel_town_attribute_to_prompts.json": b'{"Country": []}'}, "holds no template"),
    ],
)
def test_a_malformed_member_is_named(tmp_path, changes, message):
    with pytest.raises(DataError, match=message):
        facts(f"{archive(tmp_path / 'data.tgz', changes)}#town")


def test_what_is_no_archive_or_not_there_is_refused(tmp_path):
    (tmp_path / "data.tgz").write_bytes(b"half an archive")
    with pytest.raises(DataError, match="not a sound archive"):
        facts(f"{tmp_path / 'data.tgz'}#town")
    with pytest.raises(DataError, match="cannot be read"):
        facts(f"{tmp_path / 'none.tgz'}#town")
    with pytest.raises(UnknownName, match="cities"):
        facts("citys")


def test_a_template_needs_its_slot_once(tmp_path):
    prompts = {"Country": ["nowhere"]}
    made = archive(
        tmp_path / "data.tgz",
        {
            "data/ravel_town_attribute_to_prompts.json": json.dumps(prompts).encode(),
            "data/ravel_town_prompt_to_split.json": b'{"nowhere": "train"}',
        },
    )
    with pytest.raises(DataError, match="needs '%s' once"):
        facts(f"{made}#town")


def test_a_prompt_says_where_the_entity_stands_and_how_the_answer_joins():
    spaced, quoted = (
        Template("Country", "%s is in", "train"),
        Template("Country", '{"city": "%s", "country": "', "test"),
    )
    assert spaced.prompt("Oslo") == ("Oslo is in", 0, 4)
    text, start, stop = quoted.prompt("Oslo")
    assert text[start:stop] == "Oslo"
    assert (spaced.joint, quoted.joint) == (" ", "")


def test_sides_follow_seed_and_name_alone_and_given_ones_stay():
    names = [f"town {number}" for number in range(400)]
    made = Facts("x", "", "", tuple(Entity(name, {}) for name in names), ())
    turned = Facts("x", "", "", (*made.entities[::-1], Entity("given", {}, "train")), ())
    sides, other = made.sides(0, 0.25), turned.sides(0, 0.25)
    assert all(other[name] == sides[name] for name in names)
    assert 70 < sum(side == "test" for side in sides.values()) < 130
    assert sides != made.sides(1, 0.25)
    assert all(turned.sides(seed, 0.99)["given"] == "train" for seed in range(5))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cities", "countries"])
def test_geonames_gives_well_known_entities_and_no_answer_away(name):
    made = facts(name)
    values = {one.name: one.values for one in made.entities}
    if name == "cities":
        assert values["Paris"] == {"country": "France", "continent": "Europe", "language": "French"}
        assert all(one.values["country"].lower() not in one.name.lower() for one in made.entities)
    else:
        assert values["Japan"] == {"capital": "Tokyo", "continent": "Asia", "language": "Japanese"}
        assert all(one.name.lower() not in one.values.get("capital", "").lower() for one in made.entities)
    assert len(made.entities) > 150
    for attribute in made.attributes:
        sides = [one.side for one in made.templates if one.attribute == attribute]
        assert sides.count("train") >= 2
        assert sides.count("test") >= 2
    assert len({one.text for one in made.templates}) == len(made.templates)


@pytest.mark.skipif(not RAVEL.is_file(), reason="RAVEL's data.tgz is not in ../shared/data")
def test_the_published_files_are_read():
    made = facts(f"{RAVEL}#city")
    assert made.attributes == ("Country", "Continent", "Latitude", "Longitude", "Language", "Timezone")
    sides = [one.side for one in made.entities]
    # 3,552 entities, of which 818 are RAVEL's validation split.
    assert (sides.count("train"), sides.count("test")) == (1787, 947)
    assert {one.name: one.values for one in made.entities}["Aalborg"]["Country"] == "Denmark"
    for kind in ("nobel_prize_winner", "occupation", "physical_object", "verb"):
        assert facts(f"{RAVEL}#{kind}").templates
