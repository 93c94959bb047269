"""The tracker Lambda: follows clusters and keeps each run's record and ``status.json`` truthful.

``handler`` translates AWS events; ``track`` is the use case; ``outcome`` and ``message`` are pure.
"""
