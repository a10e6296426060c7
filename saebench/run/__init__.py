"""Running a suite: scene, plan, groups, executors; and training on activations of a model."""
