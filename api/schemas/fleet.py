"""The workers of the service, what waits for them, and what came of their work: sums of all, and names of one's own."""

from typing import Annotated, Self

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from store.repositories.activity import Ended, Line
from store.repositories.workers import Seen, WorkerCounts

ID_PATTERN = r"^wrk_[0-9a-f]{32}$"
EXAMPLE_ID = "wrk_0199d3c1a1f27b3c9a40d5e6f7081920"

WorkerCursor = Annotated[str | None, Query(pattern=ID_PATTERN, description="`next_cursor` of the page before")]


class LineView(BaseModel):
    """Work of one kind, of all tenants."""

    waiting: int = Field(description="how many a worker could take now")
    oldest_waiting_seconds: float | None = Field(description="how long the first has waited; null if none waits")
    running: int = Field(description="how many workers hold")

    @classmethod
    def of(cls, line: Line) -> Self:
        """From what was counted."""
        return cls(waiting=line.waiting, oldest_waiting_seconds=line.oldest_waiting_seconds, running=line.running)


class WorkerCountsView(BaseModel):
    """How many workers there are."""

    heard: int = Field(description="workers that were heard of lately")
    busy: int = Field(description="those among them that hold a fit, or a part of one")
    silent: int = Field(description="workers that were not heard of for 45 s; they are forgotten after an hour")

    @classmethod
    def of(cls, counts: WorkerCounts) -> Self:
        """From what was counted."""
        return cls(heard=counts.heard, busy=counts.busy, silent=counts.silent)


class EndedView(BaseModel):
    """Attempts at fits of all tenants that ended within the last hour."""

    attempts: dict[str, int] = Field(
        description="number of attempts by how they ended: succeeded, failed, cancelled, paused, drained, lost, hung, "
        "cut_off, overtaken, or what a newer worker says; only what there was"
    )
    worker_seconds: float = Field(description="seconds for which workers had fits in these attempts")

    @classmethod
    def of(cls, ended: Ended) -> Self:
        """From what was counted."""
        return cls(attempts=ended.attempts, worker_seconds=ended.worker_seconds)


class FleetView(BaseModel):
    """What waits, who works, and what came of it. But for `failures` these are sums over all tenants."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "fits": {"waiting": 12, "oldest_waiting_seconds": 41.5, "running": 3},
                "views": {"waiting": 0, "oldest_waiting_seconds": None, "running": 0},
                "workers": {"heard": 4, "busy": 3, "silent": 1},
                "last_hour": {"attempts": {"failed": 1, "succeeded": 118}, "worker_seconds": 9_120.5},
                "failures": {"out_of_memory": 1},
            }
        }
    )

    fits: LineView
    views: LineView
    workers: WorkerCountsView
    last_hour: EndedView
    failures: dict[str, int] = Field(
        description="number of your own fits that failed within the last 24 hours, by the code of their error"
    )


class WorkerView(BaseModel):
    """A worker, as it described itself. What it did not say, as one of another release may not, is null."""

    id: str = Field(examples=[EXAMPLE_ID])
    name: str = Field(description="host and number of its main process", examples=["gpu-3:17"])
    device: str | None = Field(description="what it computes on: cpu, cuda or cuda:N")
    device_name: str | None = Field(description="what the processor or GPU calls itself")
    threads: int | None = Field(description="threads of one fit on the processor; null on a GPU")
    memory_bytes: int | None = Field(description="memory in bytes that a fit may take; on a GPU all that it has")
    used_bytes: int | None = Field(description="memory in bytes that is taken for fits now")
    classes: list[str] | None = Field(description="classes of fits that it takes (`worker_class` of a fit)")
    release: str | None = Field(description="release of the library that it runs")
    age_seconds: float = Field(description="time in seconds since it was last heard of, which it is every 15 s")
    silent: bool = Field(description="whether it should have been heard of long ago")
    busy: bool = Field(description="whether it holds a fit, or a part of one, be it anybody's")
    fit_id: str | None = Field(description="id of that fit if it is your own; otherwise null")

    @classmethod
    def of(cls, seen: Seen) -> Self:
        """From a row and what its worker holds."""
        known = {name: seen.facts.get(name) for name in _FACTS}
        return cls(
            id=seen.id,
            name=seen.name,
            age_seconds=seen.age_seconds,
            silent=seen.is_silent,
            busy=seen.is_busy,
            fit_id=seen.fit_id,
            **known,
        )


_FACTS = ("device", "device_name", "threads", "memory_bytes", "used_bytes", "classes", "release")


class WorkerPage(BaseModel):
    """Workers, the newest first."""

    data: list[WorkerView]
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last one")
