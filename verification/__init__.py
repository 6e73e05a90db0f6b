"""Campaigns: measurements too long for the tests, each resumable and written to one result file."""
