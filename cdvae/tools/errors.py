"""The two ways in which a request can end badly, each with a sentence for whoever asked."""


class InputError(ValueError):
    """Something the user gave is wrong; the message is one sentence that names the remedy."""


class Failed(RuntimeError):
    """Something that was asked for did not succeed; the message says what, why and where."""
