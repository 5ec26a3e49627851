"""Questions that take many estimates: comparing estimators, and all pairs of a table.

May import everything but `jupyter`.
"""
