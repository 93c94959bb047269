"""`fruits report`: what a run found, and what is odd in its photos, as one HTML file that needs nothing else.

::

    sources          a run's files and its photos: in the data bucket, or in folders of this machine
    published        what the run left, read back: facts, scores, labels, hashes
    pictures         of a photo's pixels: a small grey square, its hash, a thumbnail
    neighbours       exact nearest neighbours
    same_views       copies, also changed and mirrored ones
    labels           probable label errors, single and in runs; outliers and foreign pictures
    classes          classes that are alike, and those that are too small
    analysis         all of these of one run
    figures          the variance of the components, drawn by matplotlib
    thumbnails       which photos are shown, within the budget
    finding          what is said of one thing that was looked for
    misfit_findings  what is said of photos that do not fit their label
    set_findings     what is said of same views, leakage and classes
    findings         all of them in their order
    lists            the rows of each finding, all of them, as CSV
    payload          what the page's script gets, within the page's size
    facts            what was run, in words
    page             all of it as HTML
    making           from a run to a file

Beside the command line and in no function's zip. It is read by people, on their machine, from what was
published, so it needs neither Spark nor the steps' code; it brings NumPy, PyArrow, Pillow, Jinja and
Matplotlib, which the other commands start without.
"""
