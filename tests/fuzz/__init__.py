"""Every operation of the OpenAPI document, with requests that it describes and requests that it does not.

Schemathesis makes them up and checks the answers against the document: all its checks, and sequences of operations
whose ids come from earlier answers. `make fuzz-api` runs it for long, a test for a moment.
"""
