"""The binding to TensorFlow and Keras 3."""

from algorithms.mechanisms.missing import horovod_for, require

require("tensorflow", "TensorFlow", "pip install 'farandole[tensorflow]', or any other way of getting 2.16 or newer")
horovod_for("TensorFlow", "horovod.tensorflow")

from algorithms.mechanisms.errors import RanksDisagree, TrainingError  # noqa: E402
from algorithms.tensorflow.callback import TrainingCallback  # noqa: E402
from algorithms.tensorflow.elastic import ElasticState  # noqa: E402
from algorithms.tensorflow.optimizer import DistributedOptimizer  # noqa: E402

__all__ = ["DistributedOptimizer", "ElasticState", "RanksDisagree", "TrainingCallback", "TrainingError"]
