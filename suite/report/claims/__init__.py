"""What papers claim, and what records say to it. `claims.toml` is the list; every verdict comes from a rule."""
