"""The client that is awaited.

The one that blocks, in ``_sync``, is written from these modules by scripts/python-client.py.
"""
