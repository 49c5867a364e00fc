"""The composition root: command line, printing, exit codes and the results folder."""
