"""A stand-in for a GPU, for tests on machines without one: see stand_in.py."""
