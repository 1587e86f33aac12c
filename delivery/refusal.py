"""The error that stops a delivery step: a sentence that says what is wrong and what to do."""

import re


def anonymous(text):
    """The text without the users and passwords in its URLs: they may be tokens."""
    return re.sub(r"([A-Za-z][A-Za-z0-9+.-]*://)[^/?#\s]*@", r"\1", text)


class Refusal(Exception):
    def __init__(self, sentence):
        super().__init__(anonymous(sentence))
