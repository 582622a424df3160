"""The error of unusable data."""


class DataError(ValueError):
    """A data set that cannot be used as it is; the message names the file, the field, the rule and the remedy."""
