"""General proofs: the algebraic form of every claim that has one, valid in all dimensions.

registry, status     which theorems there are, and what is proved of them, from shipped data: cheap to load
library, attempts    prove a claim from scratch, or a theorem of your own; check a certificate
writing, pages       certificates, pages and the theorem graph, written down
"""
