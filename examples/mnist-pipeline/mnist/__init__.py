"""What the steps of the pipeline, the model's server and the page's server are made of."""
