"""Whether anybody else has written to parameters since the centre was last written into them: by their versions alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from algorithms.mechanisms.quorum import outside
from algorithms.torch.driver import Attached

Written = list[tuple[int, int]]  # of each parameter its memory, and how often that was written to


class Outside:
    """Looks when the centre takes the place of the parameters, and tells its user once."""

    def __init__(self, algorithm: str, attached: Attached) -> None:
        self.algorithm, self.names, self.parameters = algorithm, attached.names, attached.parameters
        self.known: Written | None = None
        self.told = False

    @property
    def written(self) -> Written:
        return [(parameter.data_ptr(), parameter._version) for parameter in self.parameters]

    def knows(self) -> None:
        """Of all that has been written so far."""
        self.known = self.written

    def looks(self) -> None:
        """What stands in the parameters is about to be lost."""
        if self.known is None or self.told:
            return
        pairs = zip(self.names, self.known, self.written, strict=True)
        changed = [name for name, known, written in pairs if known != written]
        if changed:
            self.told = True
            outside.warn(self.algorithm, changed)

    @contextmanager
    def puts_back(self) -> Iterator[None]:
        """Whatever is written in here is as it was at the end."""
        untouched = self.known == self.written
        try:
            yield
        finally:
            if untouched:
                self.knows()
