"""Parts of every run: events and listeners, interrupts, devices, sources of random numbers.

May import `errors` and `results`.
"""
