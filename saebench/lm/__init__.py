"""Language models: load one, name its sites, capture there, splice there, resume from there, generate.

`LMS` lists the models that come with a name of their own. Listing imports neither torch nor transformers.
"""

from __future__ import annotations

from saebench.lm.packaged import PackagedModel
from saebench.registry import Registry

LMS: Registry[PackagedModel] = Registry(
    "language model",
    group="saebench.lms",
    remedy="(a local Hugging Face folder or a hub id is taken as well)",
)
LMS.add("smollm2-135m-instruct", PackagedModel("smollm2-135m-instruct", "30 layers, width 576; the offline default"))
LMS.add("stories15m", PackagedModel("stories15m", "6 layers, width 288, tells children's stories; for fast tests"))
