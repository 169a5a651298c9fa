"""A cage for one file: a process that is given its bytes, may only think and answer, and ends with it.

Both the api and the worker have files of strangers decoded, so this is a package of its own, which knows the operating
system and nothing of ours; `store` stays what both read and write, and the library decodes without knowing where.
"""
