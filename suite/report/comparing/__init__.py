"""Two folders of records beside each other: what became slower, faster, less accurate or broken."""
