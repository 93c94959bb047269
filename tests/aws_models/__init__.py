"""Every request that a test causes is held against AWS' own description of it.

botocore ships AWS' service models, with the pattern, the lengths, the bounds and the enum of each member, and
checks almost none of them; MiniStack checks few. AWS checks all. EC2's model holds no patterns.

    patterns   AWS' regular expressions, in Python
    judge      a request's parameters against the shape of the operation's input
    watch      judging what botocore sends, in this process and in every Python process below it
    plugin     the part of pytest: a test during which a request broke a rule fails
"""
