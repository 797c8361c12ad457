"""The teacher's page: everybody's runs, the wall of results, and the rules of the class."""
