"""All of the api's connections to the database are taken: it says that it is not ready, answers, and recovers."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg

from tests.integration.api.conftest import running_api
from tests.integration.api.waiting import eventually

POOL = 3


def test_an_exhausted_pool_means_not_ready_until_it_is_over(environment: dict[str, str], tmp_path: Path) -> None:
    few = {"TUNER_DATABASE_POOL_SIZE": str(POOL), "TUNER_DATABASE_TIMEOUT_SECONDS": "4"}
    address = environment["TUNER_DATABASE_URL"].replace("+psycopg", "")
    with (
        running_api(environment, tmp_path, **few) as server,
        httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client,
        ThreadPoolExecutor(2 * POOL) as crowd,
    ):
        assert client.get("/readyz").status_code == 200
        with psycopg.connect(address) as somebody:
            somebody.execute("LOCK TABLE fits IN ACCESS EXCLUSIVE MODE")
            stuck = [crowd.submit(client.get, "/fits") for _ in range(2 * POOL)]
            while (ready := client.get("/readyz")).status_code == 200:
                assert not all(one.done() for one in stuck), "all were refused, and it never said so"
            checks = ready.json()["checks"]
            assert (ready.status_code, checks["storage"], checks["database"] == "ok") == (503, "ok", False)
            assert client.get("/livez").status_code == 200
            answers = [answer.result() for answer in stuck]
            somebody.rollback()
        assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(503, "database_unavailable")}
        eventually(lambda: client.get("/readyz").status_code == 200)
        assert client.get("/fits").status_code == 200
