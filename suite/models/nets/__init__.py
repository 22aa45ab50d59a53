"""One file per family of nets."""
