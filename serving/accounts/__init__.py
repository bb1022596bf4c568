"""Who may do what: tokens of systems, people with passwords or single sign-on, sessions and roles."""
