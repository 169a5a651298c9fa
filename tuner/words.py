"""Words of the sentences that people read."""


def counted(number: int, noun: str) -> str:
    """How many there are of something.

    Example:
        >>> counted(1, "step"), counted(12, "step")
        ('1 step', '12 steps')

    Args:
        number: how many there are.
        noun: what each of them is called, of which the plural ends in s.
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
