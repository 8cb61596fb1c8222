"""The client that is awaited.
# Written by scripts/python-client.py from the module of this name in _async.

The one that blocks, in ``_sync``, is written from these modules by scripts/python-client.py.
"""
