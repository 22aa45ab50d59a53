"""The parts of a report, each a pure function from what was measured to content."""
