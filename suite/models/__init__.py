"""The papers' nets as data: `describe` gives a net, a builder per framework makes it run."""

from suite.models.catalogue import NAMES, describe
from suite.models.net import Net, Parameter

__all__ = ["NAMES", "Net", "Parameter", "describe"]
