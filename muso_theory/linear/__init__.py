"""The linear wing: feature maps, the unlearning problem, closed-form solutions and label rules."""
