"""The wire: the HTTP server in our process, its limits, and problem documents."""
