"""Tasks: one protocol with a version each. Listing them imports none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saebench.registry import Registry

if TYPE_CHECKING:
    from saebench.tasks.contract import Task

TASKS: Registry[type[Task]] = Registry(
    "task", "saebench.tasks", remedy="A task is named with its version; 'saebench ls tasks' lists them."
)
TASKS.add("reconstruction@1", "saebench.tasks.reconstruction.task:Reconstruction")
TASKS.add("absorption@1", "saebench.tasks.absorption.task:Absorption")
TASKS.add("sparse_probing@1", "saebench.tasks.sparse_probing.task:SparseProbing")
TASKS.add("ravel@1", "saebench.tasks.ravel.task:Ravel")
TASKS.add("scr@1", "saebench.tasks.scr.task:Scr")
TASKS.add("tpp@1", "saebench.tasks.tpp.task:Tpp")
TASKS.add("seed_consistency@1", "saebench.tasks.seed_consistency.task:SeedConsistency")
TASKS.add("similarity@1", "saebench.tasks.similarity.task:Similarity")
TASKS.add("ground_truth@1", "saebench.tasks.ground_truth.task:GroundTruth")
TASKS.add("autointerp@1", "saebench.tasks.autointerp.task:Autointerp")
TASKS.add("detection@1", "saebench.tasks.detection.task:Detection")
TASKS.add("capability@1", "saebench.tasks.capability.task:Capability")
TASKS.add("unlearning@1", "saebench.tasks.unlearning.task:Unlearning")
TASKS.add("steering@1", "saebench.tasks.steering.task:Steering")
