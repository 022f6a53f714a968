"""The contracts: every event, its fields, and the decoder that holds bytes against them."""
