"""What is in `web/`, in the engines that run it: Node, and a browser."""
