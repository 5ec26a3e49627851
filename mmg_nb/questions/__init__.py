"""Questions that take many estimates: comparing estimators, pairs of a table, columns for a target.

May import everything but `jupyter`.
"""
