"""Does the ranking help? A simulated queue in which policies serve the very same cases, and the staff that it takes."""
