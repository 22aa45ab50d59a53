"""From content to files. Same content in, same bytes out."""
