"""The order to leave: set once in a process, by the signal that `worker.app` sends, and read by the running fit."""

from threading import Event

draining = Event()
