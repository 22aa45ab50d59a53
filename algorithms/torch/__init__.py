"""The PyTorch binding: `DistributedOptimizer` puts any algorithm under any torch optimizer."""

from algorithms.torch.errors import RanksDisagree, RankStopped, TrainingError
from algorithms.torch.optimizer import DistributedOptimizer

__all__ = ["DistributedOptimizer", "RankStopped", "RanksDisagree", "TrainingError"]
