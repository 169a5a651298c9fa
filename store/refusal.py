"""What is said of an environment that a process cannot start with: every variable by its name, none with its value."""

from pydantic import ValidationError
from pydantic_settings import BaseSettings


def complaints(kind: type[BaseSettings], *, required: bool = True) -> list[str]:
    """What the environment says wrongly, or does not say: a line for each variable; none where settings can be read.

    Args:
        kind: the settings that are read.
        required: whether variables without a default are looked at; not where the addresses of engines are yet to come.
    """
    try:
        kind()
    except ValidationError as error:
        prefix = kind.model_config.get("env_prefix", "")
        lines, problems = [], error.errors(include_url=False, include_input=False, include_context=False)
        in_parts = {problem["loc"][0] for problem in problems if len(problem["loc"]) > 1}
        for problem in problems:
            if len(problem["loc"]) == 1 and problem["loc"][0] in in_parts:
                continue  # of a list without the entry that is wrong, which would be called too short
            names = [str(name) for name in problem["loc"][:1]]  # none where settings do not go together
            if required or not any(kind.model_fields[name].is_required() for name in names):
                lines.append(": ".join([*(f"{prefix}{name}".upper() for name in names), without_class(problem["msg"])]))
        return lines
    return []


def refuse(process: str, lines: list[str]) -> None:
    """End here, if there are complaints.

    Args:
        process: name of the process that cannot start, for people.
        lines: complaints, as `complaints` finds them.

    Raises:
        SystemExit: with all of them.
    """
    if lines:
        raise SystemExit("\n  ".join([f"the {process} cannot start with this environment:", *lines]))


def without_class(message: str) -> str:
    """What a validator says, without the class of its error that pydantic puts before it."""
    return message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
