"""The binding to TensorFlow and Keras 3."""

from algorithms.tensorflow.callback import TrainingCallback
from algorithms.tensorflow.optimizer import DistributedOptimizer

__all__ = ["DistributedOptimizer", "TrainingCallback"]
