"""The launcher Lambda: an uploaded manifest becomes one transient cluster, or a rejection that says why.

``handler`` translates AWS events; ``launch`` is the use case; ``survey`` looks at the named buckets;
``planning`` and ``cluster`` are pure.
"""
