"""``make bench``: what is promised of speed, measured side by side in one run. See docs/performance.md.

::

    __main__.py    which figures, the table, build/bench.json
    pictures.py    the JPEGs
    steps.py       a step as its own process, watched
    bucket.py      a read-only S3 endpoint with a delay
    memory.py      what a process needed at most
    raw.py         bare LiteRT processes: the ceiling
    pca.py         our PCA and MLlib's on one session
    index.py       driver memory while an index is streamed
    control.py     from an upload to an accepted launch, in a local cloud
    projection.py  hours and euros on the cluster
"""
