"""Models of E[x | noisy x, y]: the noise channel, the Gaussian posterior, and its refinements.

May import `errors`, `data` and `nets`.
"""
