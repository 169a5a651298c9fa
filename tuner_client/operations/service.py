"""The service itself: is it there, what does it take, what do its codes mean."""

from tuner_client.both import operation
from tuner_client.calls import Call, at, document, plain_text
from tuner_client.models import Alive, Capabilities, Fleet, ProblemKind, ProblemList, Ready, Usage, Welcome, WorkerPage


class ServiceOperations:
    """What is asked of the service itself."""

    @operation
    def welcome(self, *, timeout: float | None = None) -> Call[Welcome]:
        """Where to start, and what the service takes at most."""
        return Call(method="GET", path="/", read=document(Welcome), timeout=timeout)

    @operation
    def livez(self, *, timeout: float | None = None) -> Call[Alive]:
        """Whether the service's process answers, now: asked once."""
        return Call(method="GET", path="/livez", read=document(Alive), tries=1, timeout=timeout)

    @operation
    def readyz(self, *, timeout: float | None = None) -> Call[Ready]:
        """Whether the service's engines answer, now: asked once, and a ServerError if they do not."""
        return Call(method="GET", path="/readyz", read=document(Ready), tries=1, timeout=timeout)

    @operation
    def metrics(self, *, timeout: float | None = None) -> Call[str]:
        """How old the queue is and who is silent, in the words of Prometheus."""
        return Call(method="GET", path="/metrics", read=plain_text, timeout=timeout)

    @operation
    def get_usage(self, *, timeout: float | None = None) -> Call[Usage]:
        """What the owner of the key has stored and queued, how much more is allowed, and this month's work."""
        return Call(method="GET", path="/usage", read=document(Usage), timeout=timeout)

    @operation
    def get_fleet(self, *, timeout: float | None = None) -> Call[Fleet]:
        """What waits for workers, how many there are, what came of the last hour, and why fits of one's own failed."""
        return Call(method="GET", path="/fleet", read=document(Fleet), timeout=timeout)

    @operation
    def list_workers(
        self, *, limit: int | None = None, cursor: str | None = None, timeout: float | None = None
    ) -> Call[WorkerPage]:
        """Workers with device, memory and current fit, newest first; silent ones for an hour."""
        query = {"limit": limit, "cursor": cursor}
        return Call(method="GET", path="/workers", read=document(WorkerPage), query=query, timeout=timeout)

    @operation
    def get_capabilities(self, *, timeout: float | None = None) -> Call[Capabilities]:
        """What the service reads, writes and can be asked for, and how much of it at most."""
        return Call(method="GET", path="/capabilities", read=document(Capabilities), timeout=timeout)

    @operation
    def list_problems(self, *, timeout: float | None = None) -> Call[ProblemList]:
        """Every problem that a request can meet."""
        return Call(method="GET", path="/problems", read=document(ProblemList), timeout=timeout)

    @operation
    def get_problem(self, code: str, *, timeout: float | None = None) -> Call[ProblemKind]:
        """What the code of an error means."""
        return Call(method="GET", path=at("/problems/{code}", code=code), read=document(ProblemKind), timeout=timeout)
