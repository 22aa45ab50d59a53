"""Plain training loops: what a user writes around an optimizer, in both frameworks, without knowledge of algorithms.

`torch_loop.TorchSession` and `tensorflow_loop.TensorflowSession` are not imported here: a process loads one framework only.
"""

from suite.training.divergence import Diverged, DivergenceWatch, earliest
from suite.training.evaluation import NOTHING, Evaluation, merged
from suite.training.learning_rates import NAMES as LEARNING_RATES
from suite.training.learning_rates import Rule
from suite.training.learning_rates import parse as parse_learning_rate
from suite.training.loop import Plan, Result, train
from suite.training.session import CheckpointError, Session
from suite.training.targets import Outcome, Point, outcomes

__all__ = [
    "LEARNING_RATES",
    "NOTHING",
    "CheckpointError",
    "Diverged",
    "DivergenceWatch",
    "Evaluation",
    "Outcome",
    "Plan",
    "Point",
    "Result",
    "Rule",
    "Session",
    "earliest",
    "merged",
    "outcomes",
    "parse_learning_rate",
    "train",
]
