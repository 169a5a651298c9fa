"""What running the service elsewhere takes: secrets, images, monitoring, Kubernetes; docs/deploy.md."""
