"""The PyTorch binding: `DistributedOptimizer` puts any algorithm under any torch optimizer."""

from algorithms.mechanisms.missing import horovod_for, require

require("torch", "PyTorch", "pip install 'farandole[torch]', or any other way of getting PyTorch 2.4 or newer")
horovod_for("PyTorch", "horovod.torch")

from algorithms.mechanisms.errors import RanksDisagree, TrainingError  # noqa: E402
from algorithms.torch.elastic import ElasticState  # noqa: E402
from algorithms.torch.errors import RankStopped  # noqa: E402
from algorithms.torch.optimizer import DistributedOptimizer  # noqa: E402

__all__ = ["DistributedOptimizer", "ElasticState", "RankStopped", "RanksDisagree", "TrainingError"]
