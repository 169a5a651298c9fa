"""The images and docker-compose.yml: what holds for all containers, and a fit through them (`make containers`)."""
