"""``make bench``: what is promised of speed, measured side by side in one run. See docs/performance.md.

::

    __main__.py    which rows there are, the table, build/bench.json
    figures.py     a figure and its bar; two ways in turns
    machine.py     which processor it was
    pictures.py    the JPEGs
    steps.py       a step as its own process, watched
    featurize.py   the step by itself: scale, ceiling, latency, resume
    rivals.py      the step beside an expert's script, the reference recipe, a cluster of processes
    expert.py      that script
    bucket.py      a read-only S3 endpoint with a delay
    memory.py      what a process needed at most
    raw.py         bare LiteRT processes: the ceiling
    pca.py         our PCA and MLlib's on one session
    install.py     a node's packages
    listing.py     a flat folder of a million keys
    index.py       driver memory while an index is streamed
    scale.py       ten million images, as far as none is read
    control.py     from an upload to an accepted launch, in a local cloud
    projection.py  minutes and euros on clusters
"""
