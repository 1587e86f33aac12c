"""A complaint: the sentence about a property that does not hold."""

import sys

# (file, line) of everything that has complained, for the test that every line can.
complained = set()


def unless(condition, sentence):
    if not condition:
        caller = sys._getframe(1)
        complained.add((caller.f_code.co_filename, caller.f_lineno))
        yield sentence


def tags(value):
    """Tags, or attributes of a load balancer, as a dictionary."""
    return value if isinstance(value, dict) else {tag["Key"]: tag["Value"] for tag in value or []}
