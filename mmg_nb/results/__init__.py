"""What an estimate returns, how it is shown as text, HTML and JSON, and where it came from.

May import `errors` only; `MIResult.plot` loads `plots` when it is called.
"""
