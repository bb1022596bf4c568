"""Getting the public sources from where they were published, and converting them into the files that training reads."""
