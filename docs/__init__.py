"""The documentation: its pages, how they are run, and what is written from the package when the site is built."""
