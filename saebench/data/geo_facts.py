"""Facts about cities and countries from GeoNames, the best known first, with templates of our own.

A city's language is the first one that GeoNames lists for its country. Names that give an answer away (a city whose
name holds that of its country) are left out, and so are names that are not plain ASCII. No more than `PER_COUNTRY`
cities come from one country, or the largest cities would be those of two countries.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from saebench.assets import ASSETS, fetch
from saebench.data.facts import SIDES, Entity, Facts, Side, Template, check_facts
from saebench.progress import Progress

ASSET = "geonames"
PER_COUNTRY = 6
CITY_POPULATION = 200_000
"""Smaller cities are left out."""
COUNTRY_POPULATION = 1_000_000
OBSOLETE = ("CS", "AN")
"""Countries that are no more."""

CONTINENTS = {
    "AF": "Africa",
    "AS": "Asia",
    "EU": "Europe",
    "NA": "North America",
    "OC": "Oceania",
    "SA": "South America",
}

LANGUAGES = {
    "af": "Afrikaans",
    "am": "Amharic",
    "ar": "Arabic",
    "az": "Azerbaijani",
    "be": "Belarusian",
    "bg": "Bulgarian",
    "bn": "Bengali",
    "bs": "Bosnian",
    "cmn": "Mandarin",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "et": "Estonian",
    "fa": "Persian",
    "fi": "Finnish",
    "fr": "French",
    "he": "Hebrew",
    "hr": "Croatian",
    "ht": "Haitian Creole",
    "hu": "Hungarian",
    "hy": "Armenian",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ka": "Georgian",
    "kk": "Kazakh",
    "km": "Khmer",
    "ko": "Korean",
    "ky": "Kyrgyz",
    "lo": "Lao",
    "lt": "Lithuanian",
    "lv": "Latvian",
    "mk": "Macedonian",
    "mn": "Mongolian",
    "ms": "Malay",
    "my": "Burmese",
    "ne": "Nepali",
    "nl": "Dutch",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "rw": "Kinyarwanda",
    "si": "Sinhala",
    "sk": "Slovak",
    "sl": "Slovenian",
    "so": "Somali",
    "sq": "Albanian",
    "sr": "Serbian",
    "sv": "Swedish",
    "sw": "Swahili",
    "tg": "Tajik",
    "th": "Thai",
    "tk": "Turkmen",
    "tl": "Filipino",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "ur": "Urdu",
    "uz": "Uzbek",
    "vi": "Vietnamese",
    "zh": "Chinese",
    "zu": "Zulu",
}
"""English names of the languages that GeoNames lists first, by the code before the hyphen."""

Wording = dict[str, dict[Side, tuple[str, ...]]]
"""Attribute and side to templates."""

CITY_TEMPLATES: Wording = {
    "country": {
        "train": ("Rome is in Italy. %s is in", "Rome, Italy; %s,"),
        "test": ("The city of %s is in the country of", "Cities and their countries: Lima, Peru; %s,"),
    },
    "continent": {
        "train": ("The city of %s is on the continent of", "On a world map, %s is found on the continent of"),
        "test": ("Travellers who fly to %s arrive on the continent of", "A trip to %s is a trip to the continent of"),
    },
    "language": {
        "train": ("People in Rome speak Italian. People in %s speak", "The main language spoken in %s is"),
        "test": ("A child born in %s usually grows up speaking", "In %s, most people speak"),
    },
}

COUNTRY_TEMPLATES: Wording = {
    "capital": {
        "train": ("The capital of Italy is Rome. The capital of %s is", "The capital city of %s is called"),
        "test": ("The government of %s sits in the capital city,", "In %s, the capital is the city of"),
    },
    "continent": {
        "train": ("On a world map, %s is found on the continent of", "%s is a country on the continent of"),
        "test": ("The country of %s lies on the continent of", "A trip to %s is a trip to the continent of"),
    },
    "language": {
        "train": ("People in Italy speak Italian. People in %s speak", "The main language spoken in %s is"),
        "test": ("The official language of %s is", "In %s, most people speak"),
    },
}


def read_cities(progress: Progress | None = None) -> Facts:
    """Cities with country, continent and language.

    Raises:
        AssetError: GeoNames cannot be fetched.
    """
    folder = fetch(ASSET, progress)
    countries = _table(folder / "countries.json")
    taken: Counter[str] = Counter()
    entities: dict[str, Entity] = {}
    for row in _by_population(_table(folder / "cities15000.json")):
        code, name = row["countrycode"], row["name"]
        if row["population"] < CITY_POPULATION or taken[code] == PER_COUNTRY or code in OBSOLETE:
            continue
        country = countries[code]
        if not name.isascii() or name in entities or country["name"].lower() in name.lower():
            continue
        taken[code] += 1
        entities[name] = Entity(name, {"country": country["name"], **_common(country)})
    return _facts("cities", tuple(entities.values()), CITY_TEMPLATES, folder)


def read_countries(progress: Progress | None = None) -> Facts:
    """Countries with capital, continent and language.

    Raises:
        AssetError: GeoNames cannot be fetched.
    """
    folder = fetch(ASSET, progress)
    entities = []
    for row in _by_population(_table(folder / "countries.json")):
        name, capital = row["name"], row["capital"]
        if row["population"] < COUNTRY_POPULATION or row["iso"] in OBSOLETE or not name.isascii():
            continue
        own = {"capital": capital} if capital and name.lower() not in capital.lower() else {}
        entities.append(Entity(name, {**own, **_common(row)}))
    return _facts("countries", tuple(entities), COUNTRY_TEMPLATES, folder)


def _common(country: dict[str, Any]) -> dict[str, str]:
    """Continent and first language of a country, where both tables know them."""
    language = LANGUAGES.get(country["languages"].split(",")[0].split("-")[0])
    continent = CONTINENTS.get(country["continentcode"])
    found = {"continent": continent, "language": language}
    return {attribute: value for attribute, value in found.items() if value}


def _facts(name: str, entities: tuple[Entity, ...], templates: Wording, folder: Path) -> Facts:
    listed = tuple(
        Template(attribute, text, side)
        for attribute, by_side in templates.items()
        for side in SIDES
        for text in by_side[side]
    )
    asset = ASSETS.get(ASSET)
    return check_facts(Facts(name, asset.licence, f"{asset.package} {asset.version}", entities, listed), folder)


def _by_population(table: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(table.values(), key=lambda row: (-int(row["population"]), row["geonameid"]))


def _table(path: Path) -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return table
