"""Charts: what they show (`specification`) and how they are drawn."""
