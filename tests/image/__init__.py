"""The image, built from the Dockerfile and run as compose.yaml runs it."""
