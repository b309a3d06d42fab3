"""`python -m tsprune`: the command line."""

from tsprune.cli import main

if __name__ == "__main__":
    main()
