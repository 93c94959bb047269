"""The launcher Lambda: an uploaded manifest becomes a run, or a rejection that says why.

``handler`` is the entry point, ``events`` reads what S3 tells; ``accept`` decides what becomes of an upload,
``rejection`` keeps why one was refused, ``withdraw`` does what follows from a deletion.
"""
