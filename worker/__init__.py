"""Turns queued fits into representations. `app` is what Celery runs, `run` what happens to one fit."""
