"""Feature maps, the unlearning problem, its closed-form solutions and label rules."""
