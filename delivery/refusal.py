"""What stops a step of the delivery: a sentence with what to do about it."""


class Refusal(Exception):
    pass
