"""Reports from records: `render(records, out)` writes one; nothing here knows anything but records.

records -> evidence -> arms, timing, measures (what was measured) -> sections (what is said) -> content -> writers (files)
"""

from suite.report.rendering import Rendered, ReportError, render

__all__ = ["Rendered", "ReportError", "render"]
