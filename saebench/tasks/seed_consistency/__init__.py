"""`seed_consistency@1`: do trainings that differ in their seed alone find the same latents?"""

from __future__ import annotations

from saebench.matching import mcc as mcc
