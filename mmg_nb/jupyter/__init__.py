"""The `%mmg` magic and what shows a run in a notebook."""
