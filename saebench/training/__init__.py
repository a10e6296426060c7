"""One trainer for every architecture: any iterator of activation batches in, dictionaries on raw activations out."""

from saebench.training.continuing import continue_training
from saebench.training.panel import train_panel
from saebench.training.settings import Member, TrainSettings
from saebench.training.single import train
from saebench.training.stream import TensorBatches

__all__ = ["Member", "TensorBatches", "TrainSettings", "continue_training", "train", "train_panel"]
