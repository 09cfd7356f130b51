"""The API: routes, problems, limits, middleware and the server that they run in."""
