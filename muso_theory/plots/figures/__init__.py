"""One module a figure: what it needs, its caption, and how it is drawn."""
