"""What runs on the machines that build and test an image. Standard library only, Python 3.10 or later."""
