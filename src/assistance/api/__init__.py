"""The front for bots and programs: the routes of the HTTP API."""
