"""unitgain's benchmark suite: the same operation by unitgain and by its peers, alternating.

``unitgain bench`` runs it. One module per subject holds the cases; ``runner`` measures them.
"""
