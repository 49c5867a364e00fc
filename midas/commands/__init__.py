"""One command a file: load, call a room or two, save, print."""
