"""Commands for people, at a terminal or in a script: `fruits`, or `python -m lambdas.cli`.

``main`` reads the command line and maps errors to exit codes; ``commands`` holds one function a command;
``views`` turns what they found into text, ``live_view`` shows a run until its end; ``forecast`` tells what is
still to come; ``stack`` connects to a deployed stack; ``report_command`` makes reports. No Lambda imports any
of it.
"""
