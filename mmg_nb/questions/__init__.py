"""Questions that take many estimates: estimators compared, pairs of columns, columns for a target.

May import everything but `jupyter`.
"""
