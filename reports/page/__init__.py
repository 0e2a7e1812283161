"""A run as one HTML page that needs nothing beside it: no server, no network, no other file but the raw logs."""

from reports.page.write import write_page

__all__ = ["write_page"]
