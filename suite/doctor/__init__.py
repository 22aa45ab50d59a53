"""Looks at this machine and this installation, tries them with two real ranks, and says what to do."""

from suite.doctor.check import Check, Status
from suite.doctor.examination import examine

__all__ = ["Check", "Status", "examine"]
