"""The whole service as real processes, while things are killed: `make chaos FITS=200 FAULTS=60 SEED=1`.

`stack` runs it, `clients` submit fits over HTTP and write down every answer, `faults` are drawn from a seed and hit it,
`proxy` stands before storage and broker to spoil what passes, `invariants` reads the history afterwards, and `run` puts
these together and writes build/chaos/report.json.
"""
