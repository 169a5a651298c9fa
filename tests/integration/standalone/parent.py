"""A process that runs the engines of a folder, to be killed by a test: `python -m ...parent HOME`.

Prints one JSON object when everything is up: the environment, and the processes by name.
"""

import json
import sys
import time

from standalone.home import Home
from standalone.stack import engines

if __name__ == "__main__":
    with engines(Home(sys.argv[1]), durable=False) as running:
        pids = {record.name: record.pid for record in running.records()}
        print(json.dumps({"environment": running.environment, "pids": pids}), flush=True)  # noqa: T201
        time.sleep(600)
