"""What the codes of problem documents mean."""

from api import errors
from api.errors import ProblemNotFound
from api.problems import catalogue
from api.routing import Routes
from api.schemas.problems import ProblemKind, ProblemList

router = Routes(prefix="/problems", tags=["service"])


@router.get("")
async def list_problems() -> ProblemList:
    """Every problem that a request can meet."""
    return ProblemList(data=catalogue())


@router.get("/{code}", responses=errors.problems(ProblemNotFound))
async def get_problem(code: str) -> ProblemKind:
    """What one code means; a problem document's `type` leads here."""
    for problem in catalogue():
        if problem.code == code:
            return problem
    raise ProblemNotFound(f"no problem {code!r}: GET /problems lists them all")
