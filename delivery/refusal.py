"""The error that stops a delivery step: a sentence that says what is wrong and what to do."""


class Refusal(Exception):
    pass
