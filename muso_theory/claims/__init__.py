"""The catalogue of claims: statement, source, hypotheses, instance check and algebraic form."""
