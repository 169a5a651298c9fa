"""The service on three hosts that are joined by a network, and what happens when one of them is cut off.

Each host is a network namespace of Linux with its own addresses and its own loopback, so everything between two hosts
is TCP over a line that can be pulled. That takes root.
"""
