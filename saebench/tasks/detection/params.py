"""What a suite may set for `detection@1`, and the default concepts."""

from __future__ import annotations

from pydantic import Field

from saebench.tasks.contract import Params

DEFAULT_CONCEPTS = (
    "21_headline_istrump",
    "60_wikidata_occupation_isathlete",
    "94_ai_gen",
    "95_toxic_is",
    "96_spam_is",
    "105_click_bait",
    "107_hate_offensive",
    "110_aimade_humangpt3",
    "113_movie_sent",
    "123_world_country_United_Kingdom",
    "130_temp_cat_Frequency",
    "133_context_type_Causality",
    "139_news_class_Politics",
    "97_news_class: Sport",
    "158_code_C",
    "159_code_Python",
    "mention:country",
    "mention:month",
    "mention:number",
    "mention:weekday",
)
"""Twenty concepts of fourteen families; how they were chosen stands in the card."""


class DetectionParams(Params):
    """What a suite may set."""

    concepts: tuple[str, ...] = Field(default=DEFAULT_CONCEPTS, min_length=1)
    """Packaged labelled sets, `SET: CLASS`, `mention:KIND`, paths of users' YAML files, or `axbench:FOLDER`, which
    stands for every concept of AxBench's own files there."""
    train_rows: int = Field(default=128, ge=8)
    """At most so many training texts of a concept, both classes together."""
    test_rows: int = Field(default=80, ge=4)
    """At most so many test texts."""
    hard_rows: int = Field(default=20, ge=0)
    """At most so many hard negatives, which are scored apart."""
    context: int = Field(default=64, ge=2)
    """Tokens of a text that are read, begin-of-text token included; longer texts lose their end."""
