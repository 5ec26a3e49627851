"""The result of an estimate: its values, its text, HTML and JSON forms, and its provenance.

May import `errors` only. `MIResult.plot` loads `plots` when it is called.
"""
