"""Models of E[x | noisy x, y]: the noise channel, the Gaussian posterior, what refines it.

May import `errors`, `data` and `nets`.
"""
