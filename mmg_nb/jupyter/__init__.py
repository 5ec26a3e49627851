"""The `%mmg` magic and what shows a run in a notebook: live view, panel, background runs.

May import everything; nothing imports it but the lazy names of `mmg_nb` itself.
"""
