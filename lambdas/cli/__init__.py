"""Commands for people, at a terminal or in a script: `fruits`, or `python -m lambdas.cli`.

``main`` reads the command line and imports nothing else; ``execution`` carries a command out and maps errors,
which ``explain`` puts into words, to exit codes. ``commands`` holds one function a command, ``manifests``
those of manifests. `fruits submit` is in ``submit``, with ``photo_folder``, ``upload``, ``submission`` and
``dialogue``; `fruits results` in ``download`` and ``reading``. ``views`` turns what they found into text,
``live_view`` shows a run until its end; ``forecast`` tells what is still to come; ``stack`` connects to a
deployed stack. No Lambda imports any of it.
"""
