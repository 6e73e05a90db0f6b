"""Descent, whatever the model: update rules, losses, step sizes, orders of visits, and the loop over them."""
