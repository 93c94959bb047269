"""The tracker Lambda: EMR's events in, the run's record and ``status.json`` kept truthful."""
