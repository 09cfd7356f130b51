"""The fake Slack and mail server of development mode, which are the tests' own stubs too."""
