"""The user's arrays: checked, paired, read column by column, split and transformed.

May import `errors` only.
"""
