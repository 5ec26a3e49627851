"""What every run needs: events and listeners, interrupts, the device, sources of random numbers.

May import `errors` and `results`.
"""
