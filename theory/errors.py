"""The one error that all packages raise for wrong use or bad input."""


class InputError(ValueError):
    """Bad input, said in one sentence that names the value, the rule and the remedy.

    The command line prints the sentence and exits with 2; a caller of the Python API can catch it as a `ValueError`.
    """
