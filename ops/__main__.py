"""`python -m ops`: the same as `marketplace`."""

from ops.command import main

if __name__ == "__main__":
    main()
