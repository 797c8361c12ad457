"""What visitors may choose from: models, pictures, data sets and runs, each shelf with its owners."""
