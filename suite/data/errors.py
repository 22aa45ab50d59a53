"""What a reader says when the data on disk is not what it was promised to be."""

from pathlib import Path


class DataError(ValueError):
    """Names the file (or folder), what was found there and what was expected."""

    def __init__(self, path: Path | str, found: str, expected: str) -> None:
        super().__init__(f"{path}: {found}; expected {expected}")
        self.path = Path(path)
        self.found = found
        self.expected = expected

    def __reduce__(self) -> tuple[type["DataError"], tuple[Path, str, str]]:
        return type(self), (self.path, self.found, self.expected)  # so that it survives being sent between ranks
