"""Reports from records: `render(records, out)` writes one, `compare(first, second)` sets two folders of records beside
each other. Nothing here knows anything but records.

records -> evidence -> arms, timing, measures (what was measured) -> sections (what is said) -> content -> writers (files)
"""

from suite.report.comparing.compare import CompareError, Comparison, compare
from suite.report.rendering import Rendered, ReportError, render

__all__ = ["CompareError", "Comparison", "Rendered", "ReportError", "compare", "render"]
