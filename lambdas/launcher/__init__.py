"""The launcher Lambda: an uploaded manifest becomes a run, or a rejection that says why.

``handler`` translates S3's events; ``accept`` decides what becomes of each.
"""
