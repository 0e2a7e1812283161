"""The tests. Their helpers are imported as `tests.…`."""
