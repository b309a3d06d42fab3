"""The commands of `tsprune`, one module each; every command imports what it needs when it runs."""
