"""`python -m assistance`."""

from assistance.cli import main

if __name__ == "__main__":
    main()
