"""How a command ends that does not do what it was asked. Pure."""

FAILED = 1
"""The command could not do what it was asked; a sentence on the error output says why."""

NO = 3
"""The command has looked, and the answer is no: a check has failed, an Id is nowhere."""


class OperatorError(Exception):
    """What was asked cannot be done; the message says which value it is, and what it should be."""
