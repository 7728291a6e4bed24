"""The supervisor of one training run on one machine.

Python's standard library only (3.9 or later), so that a stock cloud image can run it before anything is installed.
The shapes that it reads and writes are described in docs/run-contract.md and typed in training/contract.ts.
"""
