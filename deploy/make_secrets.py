"""Make the files under `secrets/` that docker-compose.yml mounts: `python3 deploy/make_secrets.py [FOLDER]`.

Of the standard library only. What is there stays, since the engines keep the passwords of their first start.
"""

import json
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "secrets"


def contents() -> Mapping[str, str]:
    """Name and content of every file, with new passwords."""
    database, broker, access_key, secret_key = (secrets.token_hex(24) for _ in range(4))
    identity = {
        "name": "tuner",
        "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    return {
        "postgres_password": database,
        "tuner_database_url": f"postgresql+psycopg://tuner:{database}@postgres:5432/tuner",
        "valkey_password": f"requirepass {broker}\n",
        "tuner_broker_url": f"redis://:{broker}@valkey:6379/0",
        "seaweedfs_identities": json.dumps({"identities": [identity]}),
        "tuner_s3_access_key": access_key,
        "tuner_s3_secret_key": secret_key,
        "grafana_password": secrets.token_hex(16),
    }


def make_secrets(folder: Path) -> bool:
    """Make the folder and all files; whether there was none of them.

    The processes in the containers have numbers that this machine may have given to nobody, so everybody may read a
    file, and nobody but the owner comes through the folder to it. A container is handed single files.

    Args:
        folder: folder that is made if it is not there.
    """
    if folder.exists():
        return False
    beside = folder.with_name(f"{folder.name}.new")
    beside.mkdir(mode=0o700)
    for name, content in contents().items():
        path = beside / name
        path.write_text(content, encoding="ascii")
        path.chmod(0o444)
    beside.rename(folder)
    return True


def main() -> None:
    """Say what was done."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    made = make_secrets(folder)
    sys.stdout.write(f"{folder}: {'made' if made else 'is there already and stays as it is'}\n")


if __name__ == "__main__":
    main()
