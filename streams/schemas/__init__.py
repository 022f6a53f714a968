"""What others read our contracts as: AsyncAPI for the topics, ODCS for the tables."""
