"""What may be asked of a model about inputs, a module for each sort of question; `ModelAdapter` is all of them.

Every question is documented where it is asked, with an example. It checks the inputs, resolves the target and looks the layer up,
once, and hands that to the answer of a subclass, which stands beside it and is called as the question is, with a ``_`` before.
What is known of a model without inputs stands in `vizcnn.adapter.model_facts` and `vizcnn.adapter.predictions`.
"""
