"""The `%mmg` magic, and the notebook's views of runs: live view, panel, background runs.

May import everything. Only the lazy names of `mmg_nb` import it.
"""
